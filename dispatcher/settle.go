package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/streams"
)

const (
	// exitPatience is how long a worker that has stored its outcome may take to
	// end by itself before it is stopped.
	exitPatience = 5 * time.Second
	// retryBase and retryMost bound the pause before a retry, which doubles.
	retryBase = 500 * time.Millisecond
	retryMost = 30 * time.Second
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
	err = l.settle(ctx, outcome)
	return err == nil, err
}

// settle brings the stored outcome into the record and answers the request.
// Every step may be repeated, by this dispatcher or another.
func (l *lease) settle(ctx context.Context, outcome multinode.Outcome) error {
	err := l.apply(ctx, multinode.ExecutionEnded{Execution: l.execution, Outcome: outcome.Kind, At: time.Now().UTC()})
	if err != nil && !errors.Is(err, multinode.ErrFenced) && !errors.Is(err, multinode.ErrTerminal) {
		return err
	}
	l.log.Debug("settled an execution", "outcome", string(outcome.Kind), "status", string(l.record.Status))
	if l.record.Status == multinode.TimedOut || l.record.Status == multinode.Cancelled {
		l.d.cancels.add(l.key)
	}
	return l.finish(ctx)
}

// finish stops the worker of the latest execution and answers the request: for
// good where the invocation has ended, otherwise for a retry. An execution that
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
		return l.delivery.Ack(ctx)
	}
	return l.delivery.Nak(retryDelay(l.record.FailedAttempts()))
}

// release waits a little for a worker that is done, and stops any other.
func (l *lease) release(ctx context.Context, x multinode.Execution) error {
	patience := time.Duration(0)
	switch x.Outcome {
	case multinode.OutcomeSucceeded, multinode.OutcomeFailed, multinode.OutcomeCancelled, multinode.OutcomeTimedOut:
		patience = exitPatience
	}
	if l.desired.Load() == multinode.Leave {
		patience = 0
	}
	return l.d.Provisioner.Stop(ctx, x.ID, l.worker, patience)
}

func retryDelay(failures int) time.Duration {
	delay := retryBase
	for range failures - 1 {
		if delay *= 2; delay >= retryMost {
			return retryMost
		}
	}
	return delay
}
