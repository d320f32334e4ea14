//go:build linux || darwin

package forward

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// shared has the system give each connection to one of the listeners of this user on
// the address.
func shared(_, _ string, socket syscall.RawConn) error {
	var err error
	wrong := socket.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(wrong, err)
}
