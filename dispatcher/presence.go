package dispatcher

import (
	"context"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
)

// isHere tells whether the provisioner of this dispatcher can find the
// execution's worker.
func (l *lease) isHere(x multinode.Execution) bool { return x.Place == l.d.Provisioner.Place() }

// checkPresence asks for a worker that gives no sign of life: elsewhere its place, and
// here the provisioner, for one that has nothing but HTTP or is missing from the list.
func (l *lease) checkPresence(ctx context.Context, live multinode.Execution, silent time.Duration) (bool, error) {
	if !l.isHere(live) {
		if silent < multinode.RenewInterval || !l.goneElsewhere(ctx, live) {
			return false, nil
		}
		if live.State == multinode.Starting {
			return false, l.neverCame(ctx)
		}
		l.gone = exitUnseen(l.execution)
		return l.workerExited(ctx)
	}
	if !live.OverHTTP() && !l.missing.Load() {
		return false, nil
	}
	presence, err := l.d.presence(ctx, live)
	if err != nil || presence != provision.Gone {
		return false, err
	}
	l.gone = exitUnseen(l.execution)
	return l.workerExited(ctx)
}

// stopGently interrupts a worker that has nothing but HTTP: by SIGTERM, and after
// the grace by SIGKILL. At another place the reaper does that.
func (l *lease) stopGently() {
	live, _ := l.record.Live()
	if l.stopping || !l.isHere(live) {
		return
	}
	l.stopping = true
	worker := l.worker // the lease's goroutine may learn of another handle
	l.d.running.Go(func() {
		if err := l.d.Provisioner.Stop(l.life, live.ID, worker, multinode.Grace); err != nil {
			if l.life.Err() == nil {
				l.log.Warn("the worker could not be stopped yet", "error", err)
			}
			return // the clock of the interrupt goes on
		}
		notice(l.exited, provision.Exit{ExecutionID: live.ID})
	})
}
