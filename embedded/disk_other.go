//go:build !(linux || darwin)

package embedded

import "errors"

func diskSpace(string) (free, total uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}

// syncFolder does nothing: these systems do not open folders as files.
func syncFolder(string) error { return nil }
