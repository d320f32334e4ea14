package runner

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupAttributes puts the process into a group of its own. The kernel does not
// tell it of the runner's death: there the harness watches a pipe for that.
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// awaitExit waits until the process has ended, and leaves it a zombie: so its ID
// stays taken.
func awaitExit(pid int) error {
	queue, err := unix.Kqueue()
	if err != nil {
		return fmt.Errorf("make a kqueue: %w", err)
	}
	defer unix.Close(queue)
	var event unix.Kevent_t
	unix.SetKevent(&event, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	event.Fflags = unix.NOTE_EXIT
	changes, events := []unix.Kevent_t{event}, make([]unix.Kevent_t, 1)
	for {
		n, err := unix.Kevent(queue, changes, events, nil)
		switch {
		case errors.Is(err, unix.ESRCH):
			return nil // it has ended already
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("watch process %d: %w", pid, err)
		case n > 0:
			return nil
		}
	}
}
