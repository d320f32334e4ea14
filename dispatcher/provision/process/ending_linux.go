package process

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openProcess returns a pidfd that the runtime's poller can wait on (Linux 5.10).
var openProcess = func(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// awaitReadable blocks, without a thread, until the file is readable or its read
// deadline is over.
func awaitReadable(file *os.File) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Read(func(fd uintptr) bool {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			failed = err
			return true
		}
		return n > 0
	})
	return errors.Join(err, failed)
}
