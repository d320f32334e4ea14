package runner

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// groupAttributes puts the process into a group of its own, and has the kernel
// kill it when the runner dies.
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until the process has ended, and leaves it a zombie: so its ID
// stays taken.
func awaitExit(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
