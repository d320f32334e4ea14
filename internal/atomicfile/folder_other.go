//go:build !unix

package atomicfile

// syncFolder does nothing: these systems do not open folders as files.
func syncFolder(string) error { return nil }
