package index

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/bbolt"

	"multinode/streams"
)

// Source is where the changes of the records come from; *streams.Store is one.
type Source interface {
	// Changes delivers all changes above a revision, in the order of their
	// revisions, in batches, and goes on with those to come until ctx ends or
	// deliver fails. Of a record that changed several times before, only the last
	// change has to come. It returns streams.ErrResync if the revision is not one that can
	// be gone on from.
	Changes(ctx context.Context, after uint64, deliver func([]streams.Change) error) error
	// RecordsRevision returns the revision of the last change there is.
	RecordsRevision(ctx context.Context) (uint64, error)
}

// Pauses between attempts to feed the index: doubled each time, with jitter.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 15 * time.Second
)

// Run feeds the index until ctx ends or Close is called, and returns nil then. A
// source that fails is tried again, ever more slowly; a file that turns out to be
// damaged or out of step with the source is made again. It returns ErrRunning if
// it is running already.
func (x *Index) Run(ctx context.Context) error {
	if !x.running.TryLock() {
		return ErrRunning
	}
	defer x.running.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-x.closing:
			cancel()
		case <-stop:
		}
	}()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		before := x.progress.revision()
		err := x.feed(ctx)
		if ctx.Err() != nil || x.isClosed() {
			return nil
		}
		if x.progress.revision() > before {
			pause = firstPause // it was working
		}
		if errors.Is(err, ErrDamaged) || errors.Is(err, streams.ErrResync) {
			x.log.Warn("the index is made again", "path", x.file.path, "reason", err)
			if err = x.rebuild(); err == nil {
				if before > 0 {
					continue
				}
				err = errors.New("it had been empty")
			}
		}
		x.log.Error("feeding the index failed and is tried again", "error", err)
		sleep(ctx, pause/2+rand.N(pause/2)) //nolint:gosec // jitter is no secret
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// feed applies changes until something fails.
func (x *Index) feed(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	target, err := x.source.RecordsRevision(ctx)
	if err != nil {
		return fmt.Errorf("ask for the last revision of the records: %w", err)
	}
	applied := x.progress.revision()
	if applied > target {
		return fmt.Errorf("the index stands at revision %d, the records at %d: %w", applied, target, streams.ErrResync)
	}
	if away, err := x.awayTooLong(target); err != nil || away {
		return errors.Join(err, streams.ErrResync)
	}
	x.progress.begin(target)
	go func() { // a reader may be the one to find the damage
		select {
		case <-x.damaged:
			cancel(ErrDamaged)
		case <-ctx.Done():
		}
	}()
	err = x.source.Changes(ctx, applied, x.deliver)
	if cause := context.Cause(ctx); errors.Is(cause, ErrDamaged) {
		return cause
	}
	return err
}

// maxAway is how long the file may have missed changes: the margin is for clocks
// that differ.
const maxAway = streams.MarkerLife / 2

// awayTooLong tells whether deletions may have come and gone unseen.
func (x *Index) awayTooLong(target uint64) (away bool, err error) {
	err = x.file.view(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		at := getNumber(meta, keyAt)
		away = at > 0 && getNumber(meta, keyApplied) < target && x.now().Sub(time.Unix(0, int64(at))) > maxAway
		return nil
	})
	return away, err
}

// deliver applies a batch, in transactions of bounded size.
func (x *Index) deliver(batch []streams.Change) error {
	for len(batch) > 0 {
		var err error
		if dropsProject(batch[0]) {
			err = x.deliverDrop(batch[0])
			batch = batch[1:]
		} else {
			n := 1
			for n < len(batch) && n < maxTransaction && !dropsProject(batch[n]) {
				n++
			}
			err = x.deliverChanges(batch[:n])
			batch = batch[n:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *Index) deliverChanges(changes []streams.Change) error {
	applied, entries, err := x.apply(changes)
	if err != nil {
		return err
	}
	x.progress.advance(applied)
	x.hub.publish(entries)
	return nil
}

func (x *Index) deliverDrop(c streams.Change) error {
	for done := false; !done; {
		var (
			gone []Entry
			err  error
		)
		if gone, done, err = x.drop(c); err != nil {
			return err
		}
		x.hub.publish(gone)
	}
	x.progress.advance(c.Revision)
	return nil
}

// rebuild starts over with an empty file.
func (x *Index) rebuild() error {
	x.progress.reset(0)
	if err := x.file.replace(); err != nil {
		return err
	}
	select { // a notice of what has been replaced
	case <-x.damaged:
	default:
	}
	return nil
}
