package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
	"multinode/streams"
)

// reapInterval is how often workers without a lease here are looked at.
const reapInterval = time.Minute

// reap stops workers whose execution has ended: their dispatcher crashed between
// the record and the stop, or a dispatcher at another place ended it.
func (d *Dispatcher) reap(ctx context.Context) error {
	tick := d.Clock.NewTicker(reapInterval)
	defer tick.Stop()
	gentle := newSingles()
	defer gentle.wait()
	for {
		if err := d.reapPass(ctx, gentle); err != nil && ctx.Err() == nil {
			d.log.Warn("leftover workers could not all be looked at", "error", err)
		}
		select {
		case <-tick.Chan():
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Dispatcher) reapPass(ctx context.Context, gentle *singles) error {
	workers, err := d.Provisioner.List(ctx)
	if err != nil {
		return err
	}
	d.noteMissing(workers)
	var errs []error
	for _, w := range workers {
		if d.lease(w.ExecutionID) != nil {
			continue
		}
		live, wanted, err := d.wanted(ctx, w)
		switch {
		case err != nil:
		case !wanted:
			d.log.Info("stopping a worker that belongs to nobody", "execution_id", w.ExecutionID)
			err = d.Provisioner.Stop(ctx, w.ExecutionID, w.Handle, exitPatience)
			failpoint.Hit("dispatcher.reaped")
		case w.Alive && live.OverHTTP() && live.InterruptedAt != nil:
			// A dispatcher at another place wants it interrupted, and cannot tell it.
			gentle.start(w.ExecutionID, func() {
				if err := d.Provisioner.Stop(ctx, w.ExecutionID, w.Handle, multinode.Grace); err != nil && ctx.Err() == nil {
					d.log.Warn("a worker could not be interrupted", "execution_id", w.ExecutionID, "error", err)
				}
			})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// wanted tells whether the worker's execution is live, and returns it: then its
// request will be delivered, here or elsewhere, and the worker adopted.
func (d *Dispatcher) wanted(ctx context.Context, w provision.Worker) (multinode.Execution, bool, error) {
	if d.Images != nil {
		if ours, wanted, err := d.Images.Wanted(ctx, w); ours {
			return multinode.Execution{}, wanted, err
		}
	}
	if w.ExecutionKey == "" {
		return multinode.Execution{}, w.Alive, nil // cut off before anything of it was stored
	}
	k, err := streams.ParseExecutionKey(w.ExecutionKey)
	if err != nil {
		return multinode.Execution{}, true, err // not one of ours
	}
	record, err := d.Store.CurrentRecord(ctx, k.Invocation)
	if errors.Is(err, streams.ErrNotFound) {
		return multinode.Execution{}, false, nil
	}
	if err != nil {
		return multinode.Execution{}, true, err
	}
	live, ok := record.Live()
	return live, ok && live.ID == k.ID, nil
}

// noteMissing has leases ask for their worker that is not on the list, should the
// notice of its end have got lost. Beats are no proof that it lives: whatever is left
// of it, or got hold of its credentials, may go on with them for ever.
func (d *Dispatcher) noteMissing(workers []provision.Worker) {
	alive := make(map[string]bool, len(workers))
	for _, w := range workers {
		alive[w.ExecutionID] = w.Alive
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for execution, l := range d.leases {
		l.missing.Store(!alive[execution])
	}
}
