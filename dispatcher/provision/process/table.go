package process

import (
	"errors"
	"os"
	"syscall"
)

// identity names a process without fear of a reused pid.
type identity struct {
	pid   int
	start uint64
	boot  string
}

// entry is a line of the process table.
type entry struct {
	pid, parent, group, session int
	// start is in the kernel's own unit and origin, and only compared.
	start  uint64
	zombie bool
}

// thisBoot tells whether the process, alive or not, is of the running system.
func (i identity) thisBoot() bool { return i.pid > 1 && i.boot != "" && i.boot == bootID() }

// alive tells whether the process exists and is no zombie.
func (i identity) alive() bool {
	e, ok := i.entry()
	return ok && !e.zombie
}

// entry finds the process, or its zombie.
func (i identity) entry() (entry, bool) {
	if !i.thisBoot() {
		return entry{}, false
	}
	e, err := lookup(i.pid)
	return e, err == nil && e.start == i.start
}

// signal sends to this very process. A process that has ended is no error.
func (i identity) signal(s os.Signal) error {
	// Where the kernel can, FindProcess holds the process by a descriptor: what is
	// compared after it is what the signal goes to.
	p, err := os.FindProcess(i.pid)
	if err != nil {
		return ignoreEnded(err)
	}
	defer func() { _ = p.Release() }()
	if !i.alive() {
		return nil
	}
	return ignoreEnded(p.Signal(s))
}

func ignoreEnded(err error) error {
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// reap takes the exit status of the process if it is our zombie.
func (i identity) reap() (syscall.WaitStatus, bool) {
	e, ok := i.entry()
	if !ok || e.parent != os.Getpid() {
		return 0, false
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(i.pid, &status, syscall.WNOHANG, nil)
		if !errors.Is(err, syscall.EINTR) {
			return status, err == nil && pid == i.pid
		}
	}
}
