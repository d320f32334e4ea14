package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/streams/index"
)

// orphanInterval is how often all that is unfinished is looked through for
// invocations whose parent was cancelled or timed out.
const orphanInterval = time.Minute

// findOrphans carries on the cancels that a dispatcher left when it crashed. What
// runs finds out by itself; what waits in line would only when its turn comes.
func (d *Dispatcher) findOrphans(ctx context.Context) error {
	tick := d.Clock.NewTicker(orphanInterval)
	defer tick.Stop()
	for {
		if err := d.orphanPass(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("descendants of what was cancelled could not be looked for", "error", err)
		}
		select {
		case <-tick.Chan():
		case <-ctx.Done():
			return nil
		}
	}
}

// orphanPass queues the walk to the descendants of each ancestor that takes them
// along.
func (d *Dispatcher) orphanPass(ctx context.Context) error {
	if err := d.upToDate(ctx); err != nil {
		return err
	}
	looked := map[multinode.InvocationKey]bool{}
	var failure error
	err := d.Index.Unfinished("", "", func(e index.Entry) bool {
		for depth := 0; e.CancelRequestedAt == nil && e.Parent != nil && depth < multinode.MaxDepth; depth++ {
			key := e.Key
			key.Function, key.ID = e.Parent.Function, e.Parent.ID
			if looked[key] {
				break
			}
			looked[key] = true
			parent, known, err := d.Index.Get(key)
			if err != nil {
				failure = err
				return false
			}
			if !known {
				break
			}
			if parent.CancelRequestedAt != nil || parent.Status == multinode.TimedOut {
				d.passing.add(key)
				break
			}
			e = parent
		}
		return ctx.Err() == nil
	})
	return errors.Join(err, failure)
}

// upToDate waits until the index knows all that is stored by now, however long it has
// to catch up.
func (d *Dispatcher) upToDate(ctx context.Context) error {
	revision, err := d.Store.RecordsRevision(ctx)
	if err != nil {
		return err
	}
	if err := d.Index.Ready(ctx); err != nil {
		return err
	}
	return d.Index.WaitFor(ctx, revision)
}
