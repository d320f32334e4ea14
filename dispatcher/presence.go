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

// noteStart notes when the user's code began to run, as far as this dispatcher
// knows. Of an adopted worker that beats its own word is better than the clock of
// another machine.
func (l *lease) noteStart(live multinode.Execution, adopted bool) {
	if live.State != multinode.ExecutionRunning || !l.runsSince.IsZero() {
		return
	}
	l.runsSince = l.d.Clock.Now()
	if adopted && live.OverHTTP() && live.StartedAt != nil {
		l.runsSince = *live.StartedAt
	}
}

// checkTimeout interrupts code that has run for too long. A worker that beats
// times its code itself: for that one this is a backstop, by what it says and,
// later, whatever it says.
func (l *lease) checkTimeout(ctx context.Context, now time.Time) (bool, error) {
	live, ok := l.record.Live()
	if !ok || live.State != multinode.ExecutionRunning || !l.interruptedAt.IsZero() {
		return false, nil
	}
	ran, limit := now.Sub(l.runsSince), l.record.Spec.Timeout
	if !live.OverHTTP() {
		if time.Duration(l.elapsed.Load()) <= limit+clockMargin && ran <= limit+multinode.StartDeadline {
			return false, nil
		}
	} else if ran <= limit {
		return false, nil
	}
	return l.interrupt(ctx, multinode.TimeOut)
}

// checkPresence asks for a worker that gives no sign of life: here the provisioner,
// for one that has nothing but HTTP, and elsewhere its place.
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
	if !live.OverHTTP() {
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
