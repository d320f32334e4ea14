package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams"
	"multinode/streams/index"
)

// cancelHinted hears of every cancel in the system. It wakes the leases that the
// cancel concerns and queues the walk to the descendants.
func (d *Dispatcher) cancelHinted(k multinode.InvocationKey, passed bool) {
	d.mu.Lock()
	for _, l := range d.all {
		if l.concerns(k) {
			notice(l.look, struct{}{})
		}
	}
	d.mu.Unlock()
	if passed {
		d.passing.add(k)
	} else {
		d.cancels.add(k)
	}
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
		// From the leader: code must not start, nor a hint be missed, for what a
		// replica does not know yet.
		ancestor, err := d.Store.CurrentRecord(ctx, key)
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

const (
	// cancelRetry is how long a walk that failed waits.
	cancelRetry = time.Second
	// cancelAgain is how often the children of an invocation that is being
	// cancelled are looked for: in its grace its code may start more.
	cancelAgain = 2 * time.Second
	// indexPatience is how long one walk waits for an index that lags: others wait
	// behind it.
	indexPatience = time.Second
	// lateRecord is how long after its end they are still looked for: the record of
	// a child follows the acceptance of its request, and may come late.
	lateRecord = 15 * time.Second
	// cancelsAtOnce is how many walks of each queue go on at the same time, and
	// cancelTurn how many cancels one of them stores before others have their turn.
	cancelsAtOnce = 4
	cancelTurn    = 200
)

// errTurnOver means that more descendants are left than one walk may cancel.
var errTurnOver = errors.New("others have their turn")

// carryCancels requests the cancellation of the descendants of what was
// cancelled or timed out. A child that starts meanwhile finds out by itself,
// when it is delivered: see ancestorEnded.
func (d *Dispatcher) carryCancels(ctx context.Context) error {
	var carriers sync.WaitGroup
	for range cancelsAtOnce {
		for _, queue := range []*cancelQueue{d.cancels, d.passing} {
			carriers.Go(func() { d.carry(ctx, queue) })
		}
	}
	carriers.Wait()
	return nil
}

func (d *Dispatcher) carry(ctx context.Context, queue *cancelQueue) {
	for {
		k, ok := queue.next(ctx)
		if !ok {
			return
		}
		again, err := d.cancelChildren(ctx, k)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errTurnOver):
			queue.add(k)
		case err != nil:
			d.log.Warn("a cancel did not reach all descendants yet", "invocation_id", k.ID, "error", err)
			d.Clock.AfterFunc(cancelRetry, func() { queue.add(k) })
		case again:
			d.Clock.AfterFunc(cancelAgain, func() { queue.add(k) })
		}
	}
}

// cancelChildren tells whether it is to be repeated: what has not ended may still
// start children.
func (d *Dispatcher) cancelChildren(ctx context.Context, k multinode.InvocationKey) (again bool, err error) {
	// From the leader: the hint may have come sooner than a replica.
	record, err := d.Store.CurrentRecord(ctx, k)
	if err != nil || !takesAlong(record) {
		return false, ignoreGone(err)
	}
	d.freeSlot(ctx, record)
	// Children that were recorded before this moment must be in the index.
	revision, err := d.Store.RecordsRevision(ctx)
	if err != nil {
		return false, err
	}
	lagging := d.indexed(ctx, revision)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	failpoint.Hit("dispatcher.carrying_cancel")
	// What never ran has started nothing.
	again = len(record.Executions) > 0 && (!record.Status.Terminal() || d.Clock.Since(record.UpdatedAt).Abs() < lateRecord)
	// Those that it knows need not wait for the others.
	left := cancelTurn
	err = d.cancelBelow(ctx, k, multinode.MaxDepth, &left)
	if errors.Is(err, errTurnOver) {
		return true, err // the next turn waits for the index, too
	}
	return again, errors.Join(lagging, err)
}

// freeSlot has a request answered soon whose invocation was cancelled between two tries,
// or while its launch was put off: it would keep its slot until its turn to be delivered
// again.
func (d *Dispatcher) freeSlot(ctx context.Context, record multinode.Invocation) {
	latest, tried := record.Latest()
	if record.Status != multinode.Cancelled || d.holds(record.Key) ||
		tried && latest.EndedAt != nil && latest.EndedAt.After(*record.CancelRequestedAt) {
		return // whoever ended what ran answers it
	}
	if err := d.Store.Recall(ctx, record.Key, record.Sequence, 0); err != nil && ctx.Err() == nil {
		d.log.Debug("what was cancelled keeps its slot until it is delivered again", "invocation_id", record.Key.ID, "error", err)
	}
}

// indexed waits for the index, but not for long.
func (d *Dispatcher) indexed(ctx context.Context, revision uint64) error {
	ctx, cancel := context.WithTimeout(ctx, indexPatience)
	defer cancel()
	return d.Index.WaitFor(ctx, revision)
}

// cancelBelow cancels the unfinished children, whose own hints lead to theirs, and
// looks for more of them below those that have ended. It ends with errTurnOver when it
// has stored as many as are left.
func (d *Dispatcher) cancelBelow(ctx context.Context, k multinode.InvocationKey, depth int, left *int) error {
	var failure error
	err := d.Index.EachChild(k, func(child index.Entry) bool {
		ended := child.Status.Terminal()
		if !ended && child.CancelRequestedAt == nil {
			if *left--; *left < 0 {
				failure = errTurnOver
				return false
			}
			_, _, err := d.Store.PassCancelOn(ctx, child.Key)
			failpoint.Hit("dispatcher.child_cancelled")
			ended = errors.Is(err, multinode.ErrTerminal)
			failure = ignoreGone(err)
		}
		if ended && depth > 0 && failure == nil {
			failure = d.cancelBelow(ctx, child.Key, depth-1, left)
		}
		return failure == nil
	})
	return errors.Join(err, failure)
}

// ignoreGone drops the errors which say that there is nothing left to cancel.
func ignoreGone(err error) error {
	if errors.Is(err, streams.ErrNotFound) || errors.Is(err, multinode.ErrTerminal) {
		return nil
	}
	return err
}
