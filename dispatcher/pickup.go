package dispatcher

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams/index"
)

// pickUp goes on, once, with what dispatchers left that were killed before this one
// started: what has ended meanwhile is settled, and what nobody holds the lease of is
// delivered again at once. Without it the leases would have to run out.
//
// That nobody holds a lease is what all dispatchers say, or do not: one that is paused
// may hold it all the same, and find when it wakes up that it has company.
func (d *Dispatcher) pickUp(ctx context.Context) error {
	if err := d.pickUpPass(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("what an earlier dispatcher left waits for its leases to run out", "error", err)
	}
	return nil
}

func (d *Dispatcher) pickUpPass(ctx context.Context) error {
	if err := d.upToDate(ctx); err != nil {
		return err
	}
	left, err := d.leftBehind(ctx)
	if err != nil || len(left) == 0 {
		return err
	}
	keys := make([]multinode.InvocationKey, len(left))
	for i, record := range left {
		keys[i] = record.Key
	}
	held, err := d.Store.LeasesHeld(ctx, keys)
	if err != nil {
		return err
	}
	var recalling errgroup.Group
	recalling.SetLimit(unownedAtOnce)
	for _, record := range left {
		if held[record.Key] || d.holds(record.Key) {
			continue
		}
		recalling.Go(func() error {
			d.log.Info("an invocation that nobody holds is delivered again", "invocation_id", record.Key.ID)
			delay := d.due(record)
			if _, live := record.Live(); live {
				delay = 0
			}
			err := d.Store.Recall(ctx, record.Key, record.Sequence, delay)
			failpoint.Hit("dispatcher.recalled")
			return err
		})
	}
	return recalling.Wait()
}

// leftBehind settles what has ended, and returns what of the rest has been delivered
// to somebody, and not to this dispatcher.
func (d *Dispatcher) leftBehind(ctx context.Context) ([]multinode.Invocation, error) {
	var (
		mu      sync.Mutex
		left    []multinode.Invocation
		looking errgroup.Group
	)
	looking.SetLimit(unownedAtOnce)
	err := d.Index.Unfinished("", "", func(e index.Entry) bool {
		if !e.HasSlot || d.holds(e.Key) {
			return ctx.Err() == nil
		}
		looking.Go(func() error {
			record, err := d.Store.CurrentRecord(ctx, e.Key)
			if err != nil || record.Status.Terminal() {
				return ignoreGone(err)
			}
			if live, ok := record.Live(); ok {
				if settled, err := d.settleFor(ctx, e.Key.Execution(live.ID)); settled || err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			left = append(left, record)
			return nil
		})
		return ctx.Err() == nil
	})
	if failure := looking.Wait(); err == nil {
		err = failure
	}
	return left, err
}

// holds tells whether this dispatcher has the lease on an invocation.
func (d *Dispatcher) holds(k multinode.InvocationKey) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[k] != nil
}
