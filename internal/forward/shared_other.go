//go:build !linux && !darwin

package forward

import "syscall"

// shared does nothing here: an address has one listener.
func shared(_, _ string, _ syscall.RawConn) error { return nil }
