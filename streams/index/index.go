package index

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"multinode"
)

// Index is the read model. Its methods may be called from many goroutines.
type Index struct {
	file   *file
	source Source
	log    *slog.Logger
	now    func() time.Time

	progress progress
	hub      hub
	damaged  chan struct{} // a notice for the feed

	running   sync.Mutex // held by Run
	closeOnce sync.Once
	closing   chan struct{}
	closeErr  error
}

// Open opens the index in the bbolt file at path, making the file and its folder
// where they are missing and making it again where it cannot be trusted. It
// serves nothing before Run has caught up with the source. logger may be nil.
//
// It returns ErrInUse if another process has the file open, and an error of the
// file system where the file can be neither opened nor made.
func Open(path string, source Source, logger *slog.Logger) (*Index, error) {
	return open(path, source, logger, bootID())
}

func open(path string, source Source, logger *slog.Logger, boot string) (*Index, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	f, applied, err := openFile(path, boot, logger)
	if err != nil {
		return nil, err
	}
	x := &Index{file: f, source: source, log: logger, now: time.Now, closing: make(chan struct{}), damaged: make(chan struct{}, 1)}
	x.progress.reset(applied)
	f.onDamage = x.noteDamage
	return x, nil
}

// Ready waits until the index has caught up with the records as they were when
// Run began. It has to do so again after it had to be made again.
func (x *Index) Ready(ctx context.Context) error {
	if err := x.progress.wait(ctx, 0, true); err != nil {
		return fmt.Errorf("wait for the index to catch up: %w", err)
	}
	return nil
}

// WaitFor waits until the index shows what a write of this revision wrote: read
// your writes. It may wait as long as ctx lets it.
func (x *Index) WaitFor(ctx context.Context, revision uint64) error {
	if err := x.progress.wait(ctx, revision, false); err != nil {
		return fmt.Errorf("wait for the index to reach revision %d: %w", revision, err)
	}
	return nil
}

// Subscribe returns a channel that gets the newest entry of an invocation after
// each change; what is not read in time is replaced by the next. An entry without
// a status says that the invocation is gone. Subscribe first, then read the
// record, then wait: an entry whose revision is not above the record's is old
// news. The function ends the subscription and is to be called; the channel is
// closed by Close only.
func (x *Index) Subscribe(key multinode.InvocationKey) (<-chan Entry, func()) {
	return x.hub.subscribe(key)
}

// noteDamage is called while the damaged file is still in place.
func (x *Index) noteDamage() {
	x.progress.damage()
	select {
	case x.damaged <- struct{}{}:
	default:
	}
}

// Close ends Run and closes the file, so that the next Open resumes from here.
func (x *Index) Close() error {
	x.closeOnce.Do(func() {
		close(x.closing)
		x.progress.close()
		x.hub.close()
		x.closeErr = x.file.close()
	})
	return x.closeErr
}

func (x *Index) isClosed() bool {
	select {
	case <-x.closing:
		return true
	default:
		return false
	}
}
