package process

import (
	"errors"
	"os"
	"sync"
	"time"
)

// ending waits for the end of a process that need not be our child.
type ending struct {
	process identity
	poll    time.Duration
	stop    chan struct{}
	once    sync.Once
	// file becomes readable when the process ends; nil where the kernel has no
	// such thing.
	file *os.File
}

func newEnding(process identity, poll time.Duration) *ending {
	e := &ending{process: process, poll: poll, stop: make(chan struct{})}
	if process.alive() {
		file, err := openProcess(process.pid)
		// Only what is alive after the opening was surely opened: the pid may have
		// been reused before.
		if err == nil && process.alive() {
			e.file = file
		} else if err == nil {
			_ = file.Close()
		}
	}
	return e
}

// wait blocks until the process has ended, also as a zombie, or interrupt was
// called, and tells which. It is called once.
func (e *ending) wait() (ended bool) {
	if e.file != nil {
		defer func() { _ = e.file.Close() }()
		switch err := awaitReadable(e.file); {
		case err == nil:
			return true
		case errors.Is(err, os.ErrDeadlineExceeded):
			return false
		}
	}
	ticker := time.NewTicker(e.poll)
	defer ticker.Stop()
	for e.process.alive() {
		select {
		case <-ticker.C:
		case <-e.stop:
			return false
		}
	}
	return true
}

// interrupt ends the waiting. It may be called at any time, also repeatedly.
func (e *ending) interrupt() {
	e.once.Do(func() {
		close(e.stop)
		if e.file != nil {
			_ = e.file.SetReadDeadline(time.Unix(1, 0))
		}
	})
}
