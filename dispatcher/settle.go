package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams"
)

const (
	// exitPatience is how long a worker that has stored its outcome may take to
	// end by itself before it is stopped.
	exitPatience = 5 * time.Second
)

// settleIfStored settles the execution if its outcome is stored.
func (l *lease) settleIfStored(ctx context.Context) (bool, error) {
	outcome, _, err := l.d.Store.Outcome(ctx, l.executionKey())
	if errors.Is(err, streams.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	failpoint.Hit("dispatcher.outcome_seen")
	err = l.settle(ctx, outcome)
	return err == nil, err
}

// settle brings the stored outcome into the record and answers the request.
// Every step may be repeated, by this dispatcher or another.
func (l *lease) settle(ctx context.Context, outcome multinode.Outcome) error {
	err := l.apply(ctx, multinode.ExecutionEnded{Execution: l.execution, Outcome: outcome.Kind, At: l.d.now()})
	if err != nil && !errors.Is(err, multinode.ErrFenced) && !errors.Is(err, multinode.ErrTerminal) {
		return err
	}
	failpoint.Hit("dispatcher.settled")
	l.log.Debug("settled an execution", "outcome", string(outcome.Kind), "status", string(l.record.Status))
	l.d.afterwards(ctx, l.record, l.execution, outcome.Kind)
	return l.finish(ctx)
}

// afterwards carries what follows from the end of an execution beyond its record.
func (d *Dispatcher) afterwards(ctx context.Context, record multinode.Invocation, execution string, outcome multinode.OutcomeKind) {
	if outcome == multinode.OutcomeLost || outcome == multinode.OutcomeOutOfMemory {
		d.revoke(ctx, execution, record.Spec) // by whoever put the verdict too, unless it died there
	}
	if record.Status == multinode.TimedOut || record.Status == multinode.Cancelled {
		if _, child := record.Parent(); child && record.CancelRequestedAt != nil {
			d.passing.add(record.Key)
		} else {
			d.cancels.add(record.Key)
		}
	}
}

// finish sees to the end of the latest execution's worker and answers the request:
// for good where the invocation has ended, otherwise for a retry. An execution that
// is still live then is another dispatcher's, and so is the request.
func (l *lease) finish(ctx context.Context) error {
	latest, ok := l.record.Latest()
	if ok && latest.State != multinode.Ended {
		return errDropped
	}
	if ok {
		if latest.Worker != nil && l.worker == (multinode.Worker{}) {
			l.worker = *latest.Worker
		}
		if err := l.release(ctx, latest); err != nil {
			return err
		}
	}
	if l.record.Status.Terminal() {
		err := l.ack(ctx)
		failpoint.Hit("dispatcher.acked")
		return err
	}
	err := l.putBack(multinode.RetryDelay(l.record.FailedAttempts()))
	failpoint.Hit("dispatcher.put_back")
	return err
}

// release makes an end of the worker of an execution that the record says is over.
// One that has stored its own outcome is about to end by itself: the function's
// slot does not wait for that, and after a crash the reaper sweeps it up. Any other
// has ended before its slot is free.
func (l *lease) release(ctx context.Context, x multinode.Execution) error {
	leaving := l.desired.Load() == multinode.Leave
	if endsByItself(x.Outcome) && !leaving {
		l.d.running.Go(func() {
			if err := l.dismiss(l.beyond, x, exitPatience); err != nil && l.beyond.Err() == nil {
				l.log.Warn("a worker that is done could not be swept up yet", "error", err)
			}
			failpoint.Hit("dispatcher.released")
		})
		return nil
	}
	patience := time.Duration(0)
	if wasInterrupted(x.Outcome) && !leaving {
		patience = exitPatience // it may have said so itself
	}
	err := l.whileRenewed(ctx, func(ctx context.Context) error { return l.dismiss(ctx, x, patience) }, nil)
	if err == nil {
		failpoint.Hit("dispatcher.released")
	}
	return err
}

// endsByItself tells whether only the worker itself can have said this outcome.
func endsByItself(o multinode.OutcomeKind) bool {
	return o == multinode.OutcomeSucceeded || o == multinode.OutcomeFailed
}

// wasInterrupted tells whether the worker may have said this outcome, or else a
// dispatcher that gave it up, and maybe crashed then.
func wasInterrupted(o multinode.OutcomeKind) bool {
	return o == multinode.OutcomeCancelled || o == multinode.OutcomeTimedOut
}

// dismiss stops the worker of an execution that the record says is over. At
// another place it can only be told; the reaper there sweeps it up.
func (l *lease) dismiss(ctx context.Context, x multinode.Execution, patience time.Duration) error {
	if l.isHere(x) {
		return l.d.Provisioner.Stop(ctx, x.ID, l.worker, patience)
	}
	if patience == 0 {
		l.tell(x.ID, multinode.Leave)
	}
	return nil
}
