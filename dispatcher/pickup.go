package dispatcher

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams/index"
)

// pickUpInterval is how often what nobody holds is looked for.
const pickUpInterval = time.Minute

// pickUp goes on with what dispatchers left that were killed before this one started:
// what has ended meanwhile is settled, and what nobody holds the lease of is delivered
// again at once. Without it the leases would have to run out.
//
// It looks again now and then: the server counts leases by the wall clock, and where
// that was set back they run out, and pauses end, so much later. What is not held at two
// looks in a row is delivered again.
//
// That nobody holds a lease is what all dispatchers say, or do not: one that is paused
// may hold it all the same, and find when it wakes up that it has company.
func (d *Dispatcher) pickUp(ctx context.Context) error {
	tick := d.Clock.NewTicker(pickUpInterval)
	defer tick.Stop()
	var before map[multinode.InvocationKey]bool
	for {
		unheld, err := d.pickUpPass(ctx, before)
		if err != nil && ctx.Err() == nil {
			d.log.Warn("what dispatchers left that are gone may wait for its leases to run out", "error", err)
		}
		before = unheld
		select {
		case <-tick.Chan():
		case <-ctx.Done():
			return nil
		}
	}
}

// pickUpPass returns what nobody held. Unless before is nil, it calls back only what was
// not held before either.
func (d *Dispatcher) pickUpPass(ctx context.Context, before map[multinode.InvocationKey]bool) (map[multinode.InvocationKey]bool, error) {
	unheld := map[multinode.InvocationKey]bool{}
	if err := d.upToDate(ctx); err != nil {
		return unheld, err
	}
	left, err := d.leftBehind(ctx)
	if err != nil || len(left) == 0 {
		return unheld, err
	}
	keys := make([]multinode.InvocationKey, len(left))
	for i, record := range left {
		keys[i] = record.Key
	}
	held, err := d.Store.LeasesHeld(ctx, keys)
	if err != nil {
		return unheld, err
	}
	var recalling errgroup.Group
	recalling.SetLimit(unownedAtOnce)
	for _, record := range left {
		if held[record.Key] || d.holds(record.Key) {
			continue
		}
		unheld[record.Key] = true
		if before != nil && !before[record.Key] {
			continue
		}
		recalling.Go(func() error {
			delay := d.due(record)
			if _, live := record.Live(); live {
				delay = 0
				d.log.Info("an execution that nobody holds is delivered again", "invocation_id", record.Key.ID)
			}
			err := d.Store.Recall(ctx, record.Key, record.Sequence, delay)
			failpoint.Hit("dispatcher.recalled")
			return err
		})
	}
	return unheld, recalling.Wait()
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
