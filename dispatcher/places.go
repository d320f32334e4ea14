package dispatcher

import (
	"context"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

// servePlace answers dispatchers elsewhere that have adopted an execution of this
// place: whether its worker lives, only here can anybody see.
func (d *Dispatcher) servePlace(ctx context.Context) error {
	return d.Store.ServePlace(ctx, d.Provisioner.Place(), d.living)
}

// living returns those of the executions that have, or may be about to have, a
// living worker here.
func (d *Dispatcher) living(ctx context.Context, executions []string) (map[string]bool, error) {
	living := map[string]bool{}
	// Those first that are being launched: after that the list shows them.
	for _, id := range executions {
		if d.lease(id) != nil {
			living[id] = true
		}
	}
	workers, err := d.Provisioner.List(ctx)
	ended := map[string]bool{}
	for _, w := range workers {
		if w.Alive {
			living[w.ExecutionID] = true
		} else {
			ended[w.ExecutionID] = true
		}
	}
	if _, late := d.Provisioner.(provision.Finder); late {
		for _, id := range executions {
			if !ended[id] {
				living[id] = true // it may not be shown yet: the asker waits for its beats
			}
		}
	}
	return living, err
}

// exited hands on the end of a worker that another dispatcher has the lease of.
func (d *Dispatcher) exited(exit provision.Exit) {
	if d.Images != nil && d.Images.Exited(exit) {
		return
	}
	if l := d.lease(exit.ExecutionID); l != nil {
		notice(l.exited, exit)
		return
	}
	if err := d.Store.TellExit(streams.WorkerExit{
		Execution: exit.ExecutionID, OutOfMemory: exit.OutOfMemory, Detail: exit.Detail,
		NotStarted: exit.NotStarted, Why: int(exit.Kind),
	}); err != nil {
		d.log.Debug("the end of a worker was not told", "execution_id", exit.ExecutionID, "error", err)
	}
}

// exitTold hears of ends at other places.
func (d *Dispatcher) exitTold(e streams.WorkerExit) {
	if l := d.lease(e.Execution); l != nil {
		notice(l.exited, provision.Exit{
			ExecutionID: e.Execution, OutOfMemory: e.OutOfMemory, Detail: e.Detail,
			NotStarted: e.NotStarted, Kind: provision.Kind(e.Why),
		})
	}
}

// goneElsewhere tells whether the place of the worker says that it does not live.
// Where nobody answers, silence decides.
func (l *lease) goneElsewhere(ctx context.Context, live multinode.Execution) bool {
	alive, err := l.d.Store.AskPlace(ctx, live.Place, live.ID)
	if err != nil {
		l.log.Debug("the place of a worker did not answer", "place", live.Place, "error", err)
	}
	return err == nil && !alive
}

// neverCame takes an intent back of which its place knows nothing.
func (l *lease) neverCame(ctx context.Context) error {
	return l.takeBack(ctx, "its worker did not come up; it is launched again", 0, true)
}

// adoptElsewhere adopts an execution of another place: it is launched there only.
// Where that place cannot be asked, a worker that was not launched yet cannot be
// told from one that has ended, and silence decides.
func (l *lease) adoptElsewhere(ctx context.Context, live multinode.Execution) error {
	gone := l.goneElsewhere(ctx, live)
	l.log.Info("adopted an execution of another place", "state", string(live.State), "place", live.Place, "worker_gone", gone)
	switch {
	case !gone, live.State == multinode.Starting && l.record.CancelRequestedAt != nil: // the cancel ends it
	case live.State == multinode.Starting:
		return l.neverCame(ctx)
	default:
		l.gone = exitUnseen(live.ID)
	}
	return nil
}
