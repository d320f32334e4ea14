package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode/dispatcher/provision"
	"multinode/streams"
)

// reapInterval is how often workers without a lease here are looked at.
const reapInterval = time.Minute

// reap stops workers whose execution has ended: their dispatcher crashed between
// the record and the stop.
func (d *Dispatcher) reap(ctx context.Context) error {
	tick := time.NewTicker(reapInterval)
	defer tick.Stop()
	for {
		if err := d.reapPass(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn("leftover workers could not all be looked at", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *Dispatcher) reapPass(ctx context.Context) error {
	workers, err := d.Provisioner.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, w := range workers {
		if d.lease(w.ExecutionID) != nil {
			continue
		}
		wanted, err := d.wanted(ctx, w)
		if err == nil && !wanted {
			d.log.Info("stopping a worker that belongs to nobody", "execution_id", w.ExecutionID)
			err = d.Provisioner.Stop(ctx, w.ExecutionID, w.Handle, exitPatience)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// wanted tells whether the worker's execution is live: then its request will be
// delivered, here or elsewhere, and the worker adopted.
func (d *Dispatcher) wanted(ctx context.Context, w provision.Worker) (bool, error) {
	if w.ExecutionKey == "" {
		return w.Alive, nil // cut off before anything of it was stored
	}
	k, err := streams.ParseExecutionKey(w.ExecutionKey)
	if err != nil {
		return true, err // not one of ours
	}
	record, err := d.Store.CurrentRecord(ctx, k.Invocation)
	if errors.Is(err, streams.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	live, ok := record.Live()
	return ok && live.ID == k.ID, nil
}
