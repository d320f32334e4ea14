//go:build !linux

package streams_test

import (
	"errors"
	"testing"
)

func smallDisk(t *testing.T) string {
	t.Helper()
	t.Skip("small file systems are mounted on Linux only")
	return ""
}

func growDisk(string) error { return errors.ErrUnsupported }
