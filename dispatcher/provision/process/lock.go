package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// errBusy says that somebody else holds a lock.
var errBusy = errors.New("busy")

// claim waits until the folder's fate is known. It returns the lock if nothing of
// the execution has run, and nil if it has, or if there is no folder and create is
// false.
func (f folder) claim(ctx context.Context, create bool) (*os.File, error) {
	return whenFree(ctx, func() (*os.File, error) { return f.tryClaim(create) })
}

// whenFree tries again while the answer is errBusy.
func whenFree(ctx context.Context, try func() (*os.File, error)) (*os.File, error) {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		lock, err := try()
		if !errors.Is(err, errBusy) {
			return lock, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for who else works on the same worker: %w", ctx.Err())
		}
	}
}

func (f folder) tryClaim(create bool) (lock *os.File, err error) {
	if create {
		if err := os.Mkdir(f.path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	if f.started() {
		return nil, nil
	}
	lock, err = os.OpenFile(f.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		if create {
			return nil, errBusy // removed just now: make it again
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil || f.started() {
			_ = lock.Close()
			lock = nil
		}
	}()
	return lock, tryLock(lock)
}

// tryLock takes the lock of an open file, or returns errBusy.
func tryLock(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		return errBusy
	}
	if err != nil {
		return fmt.Errorf("locking %s, which must be on a local file system: %w", file.Name(), err)
	}
	// The folder may have been removed, and even made again, between opening and
	// locking: then this lock guards nothing.
	ours, err := file.Stat()
	if err != nil {
		return err
	}
	if current, err := os.Stat(file.Name()); err != nil || !os.SameFile(ours, current) {
		return errBusy
	}
	return nil
}

// removeUnrecorded removes what a launch left that was cut off at its very
// beginning, unless it is still at it.
func (f folder) removeUnrecorded() error {
	lock, err := f.tryClaim(false)
	if lock == nil {
		if errors.Is(err, errBusy) {
			return nil
		}
		return err
	}
	defer func() { _ = lock.Close() }()
	if f.recorded() {
		return nil
	}
	return f.remove()
}

// removeWorker removes the folder of a worker that was started and has ended. The
// execution may have been stopped by another call meanwhile, and launched again:
// the folder of the new worker stays. Because all who remove a started worker take
// this lock, the folder cannot change between the look at it and the removal.
func (f folder) removeWorker(ctx context.Context, process identity) error {
	lock, err := whenFree(ctx, f.tryRemoval)
	if lock == nil || err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if r, err := f.record(); err == nil && r.process() != process {
		return nil
	}
	return f.remove()
}

// tryRemoval takes the lock for removing, and is nil where nothing was started.
func (f folder) tryRemoval() (*os.File, error) {
	if !f.started() {
		return nil, nil
	}
	lock, err := os.OpenFile(f.removal(), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := tryLock(lock); err != nil {
		_ = lock.Close()
		return nil, err
	}
	if !f.started() {
		_ = lock.Close()
		return nil, nil
	}
	return lock, nil
}
