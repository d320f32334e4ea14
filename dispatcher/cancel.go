package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"multinode"
	"multinode/streams"
)

// cancelHinted hears of every cancel in the system. It wakes the leases that the
// cancel concerns and queues the walk to the descendants.
func (d *Dispatcher) cancelHinted(k multinode.InvocationKey) {
	d.mu.Lock()
	for l := range d.all {
		if l.concerns(k) {
			notice(l.look, struct{}{})
		}
	}
	d.mu.Unlock()
	d.cancels.add(k)
}

// concerns tells whether k is the lease's invocation or may be an ancestor of it.
// It reads nothing that the lease's goroutine changes.
func (l *lease) concerns(k multinode.InvocationKey) bool {
	if l.key == k {
		return true
	}
	for _, a := range l.delivery.Lineage {
		if a.ID == k.ID && a.Function == k.Function {
			return true
		}
	}
	return false
}

// ancestorEnded tells whether an ancestor's end takes this invocation along: it
// was cancelled or timed out. One that merely failed or succeeded does not.
func (d *Dispatcher) ancestorEnded(ctx context.Context, record multinode.Invocation) (bool, error) {
	for _, a := range record.Lineage {
		key := record.Key
		key.Function, key.ID = a.Function, a.ID
		ancestor, _, err := d.Store.Record(ctx, key)
		if errors.Is(err, streams.ErrNotFound) {
			continue // kept no longer, so it ended long ago
		}
		if err != nil {
			return false, err
		}
		if takesAlong(ancestor) {
			return true, nil
		}
	}
	return false, nil
}

func takesAlong(ancestor multinode.Invocation) bool {
	return ancestor.CancelRequestedAt != nil || ancestor.Status == multinode.TimedOut
}

// cancelRetry is how long a walk that failed waits.
const cancelRetry = time.Second

// carryCancels requests the cancellation of the descendants of what was
// cancelled or timed out. A child that starts meanwhile finds out by itself,
// when it is delivered: see ancestorEnded.
func (d *Dispatcher) carryCancels(ctx context.Context) error {
	for {
		k, ok := d.cancels.next(ctx)
		if !ok {
			return nil
		}
		if err := d.cancelChildren(ctx, k); err != nil && ctx.Err() == nil {
			d.log.Warn("a cancel did not reach all descendants yet", "invocation_id", k.ID, "error", err)
			time.AfterFunc(cancelRetry, func() { d.cancels.add(k) })
		}
	}
}

func (d *Dispatcher) cancelChildren(ctx context.Context, k multinode.InvocationKey) error {
	record, _, err := d.Store.Record(ctx, k)
	if err != nil || !takesAlong(record) {
		return ignoreGone(err)
	}
	// Children that were recorded before this moment must be in the index.
	revision, err := d.Store.RecordsRevision(ctx)
	if err != nil {
		return err
	}
	if err := d.Index.WaitFor(ctx, revision); err != nil {
		return err
	}
	children, err := d.Index.Children(k)
	if err != nil {
		return err
	}
	for _, child := range children {
		if child.Status.Terminal() || child.CancelRequestedAt != nil {
			continue
		}
		// Its own hint then leads to its children.
		_, _, err := d.Store.RequestCancel(ctx, child.Key)
		if err = ignoreGone(err); err != nil {
			return err
		}
	}
	return nil
}

// ignoreGone drops the errors which say that there is nothing left to cancel.
func ignoreGone(err error) error {
	if errors.Is(err, streams.ErrNotFound) || errors.Is(err, multinode.ErrTerminal) {
		return nil
	}
	return err
}

// cancelQueue holds each invocation once.
type cancelQueue struct {
	mu      sync.Mutex
	waiting map[multinode.InvocationKey]struct{}
	wake    chan struct{}
}

func newCancelQueue() *cancelQueue {
	return &cancelQueue{waiting: map[multinode.InvocationKey]struct{}{}, wake: make(chan struct{}, 1)}
}

func (q *cancelQueue) add(k multinode.InvocationKey) {
	q.mu.Lock()
	q.waiting[k] = struct{}{}
	q.mu.Unlock()
	notice(q.wake, struct{}{})
}

// next waits for an invocation, and returns false when ctx ends.
func (q *cancelQueue) next(ctx context.Context) (multinode.InvocationKey, bool) {
	for {
		q.mu.Lock()
		for k := range q.waiting {
			delete(q.waiting, k)
			q.mu.Unlock()
			return k, true
		}
		q.mu.Unlock()
		select {
		case <-q.wake:
		case <-ctx.Done():
			return multinode.InvocationKey{}, false
		}
	}
}
