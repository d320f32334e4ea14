package dispatcher

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams"
)

const (
	// ownerPatience is how long an outcome is left to the owner of its execution.
	ownerPatience = 500 * time.Millisecond
	// unownedAtOnce is how many of the others are looked at at the same time.
	unownedAtOnce = 8
	// maxUnowned bounds those that wait for that. What is one too many is settled
	// when its lease has run out.
	maxUnowned = 4096
)

// unowned are outcomes that were stored while this dispatcher had no lease on their
// execution. Most are another's to settle. Some are nobody's: their owner was killed,
// and the request has yet to be delivered again. Nobody need wait for that to know
// how the execution ended: only the answer to the request does.
type unowned chan heardOutcome

type heardOutcome struct {
	key multinode.ExecutionKey
	at  time.Time
}

func newUnowned() unowned { return make(unowned, maxUnowned) }

// outcomeStored hears of every outcome in the system.
func (d *Dispatcher) outcomeStored(k multinode.ExecutionKey) {
	if l := d.lease(k.ID); l != nil {
		notice(l.outcome, struct{}{})
		return
	}
	notice(d.unowned, heardOutcome{k, d.Clock.Now()})
}

// settleUnowned settles what its owner has not.
func (d *Dispatcher) settleUnowned(ctx context.Context) error {
	var settling errgroup.Group
	settling.SetLimit(unownedAtOnce)
	for {
		select {
		case o := <-d.unowned:
			if wait := ownerPatience - d.Clock.Now().Sub(o.at); wait > 0 && !d.pause(ctx, wait) {
				continue
			}
			if d.settledByNow(o.key) {
				continue
			}
			settling.Go(func() error {
				if _, err := d.settleFor(ctx, o.key); err != nil && ctx.Err() == nil {
					d.log.Warn("an outcome without an owner waits for its lease to run out", "execution_id", o.key.ID, "error", err)
				}
				return nil
			})
		case <-ctx.Done():
			return settling.Wait()
		}
	}
}

// settledByNow tells what costs nothing to know: that the execution is over, or that
// its lease has come here.
func (d *Dispatcher) settledByNow(k multinode.ExecutionKey) bool {
	if l := d.lease(k.ID); l != nil {
		notice(l.outcome, struct{}{})
		return true
	}
	entry, known, err := d.Index.Get(k.Invocation)
	return err == nil && known && !entry.Live
}

// settleFor brings the outcome of an execution into the record in its owner's place,
// and has the request delivered, so that somebody answers it. It returns false where
// there is none yet. Several may do it at a time, and the owner, too.
func (d *Dispatcher) settleFor(ctx context.Context, k multinode.ExecutionKey) (bool, error) {
	record, revision, err := d.Store.CurrentRevision(ctx, k.Invocation)
	if err != nil {
		return true, ignoreGone(err)
	}
	if live, ok := record.Live(); !ok || live.ID != k.ID {
		return true, nil
	}
	outcome, _, err := d.Store.Outcome(ctx, k)
	if errors.Is(err, streams.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	record, at, err := d.Store.ApplyTo(ctx, k.Invocation, &record, revision,
		multinode.ExecutionEnded{Execution: k.ID, Outcome: outcome.Kind, At: d.now()})
	if errors.Is(err, multinode.ErrFenced) || errors.Is(err, streams.ErrNotFound) {
		return true, nil
	}
	if err != nil || at == revision {
		return true, err
	}
	failpoint.Hit("dispatcher.unowned_settled")
	d.log.Info("settled an execution in the place of its owner", "invocation_id", k.Invocation.ID,
		"execution_id", k.ID, "outcome", string(outcome.Kind), "status", string(record.Status))
	d.afterwards(ctx, record, k.ID, outcome.Kind)
	return true, d.Store.Recall(ctx, k.Invocation, record.Sequence, d.due(record))
}

// due is how long a request without a live execution is to wait before it is
// delivered: as long as its owner would have had it wait, and no longer than a lease
// lasts, whatever the clocks say.
func (d *Dispatcher) due(record multinode.Invocation) time.Duration {
	if record.Status.Terminal() {
		return 0
	}
	until := d.now()
	if latest, ok := record.Latest(); ok && latest.EndedAt != nil {
		until = latest.EndedAt.Add(multinode.RetryDelay(record.FailedAttempts()))
	}
	if w := record.Waiting; w != nil && w.Until.After(until) {
		until = w.Until
	}
	return min(max(0, until.Sub(d.now())), multinode.AckWait)
}
