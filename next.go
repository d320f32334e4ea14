package multinode

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

var (
	// ErrNoChange means that the record already says what the event would make
	// it say, so that repeating an event is harmless.
	ErrNoChange = errors.New("the record already says so")
	// ErrNoRecord means that the event needs a record and there is none.
	ErrNoRecord = errors.New("there is no record of this invocation")
	// ErrTerminal means that the invocation has ended.
	ErrTerminal = errors.New("the invocation has already terminated")
	// ErrCancelRequested means that nothing may be started any more.
	ErrCancelRequested = errors.New("the cancellation of the invocation was requested")
	// ErrLive means that another execution has not ended yet.
	ErrLive = errors.New("the invocation has a live execution")
	// ErrFenced means that the event is about an execution that is not the live
	// one, or about a worker that is not the execution's.
	ErrFenced = errors.New("the execution is not, or no longer, this worker's")
)

// Next returns the record that follows from a record and an event. It is pure:
// times and IDs come with the event, and the record passed in is not changed.
// A nil record stands for an invocation without one.
//
// It returns ErrNoChange, ErrNoRecord, ErrTerminal, ErrCancelRequested, ErrLive
// or ErrFenced where the event does not apply; the record stays as it was then.
func Next(record *Invocation, event Event) (Invocation, error) {
	if e, ok := event.(Accepted); ok {
		if record != nil {
			return *record, ErrNoChange
		}
		return Invocation{
			Key: e.Key, Version: e.Version, Spec: e.Spec, Lineage: e.Lineage, Sequence: e.Sequence,
			CreatedAt: e.At, UpdatedAt: e.At, Status: Pending,
		}, nil
	}
	if record == nil {
		return Invocation{}, ErrNoRecord
	}
	next := *record
	next.Executions = slices.Clone(record.Executions)
	at, err := next.apply(event)
	if err != nil {
		return *record, err
	}
	// Clocks of several machines differ; a record never goes back in time.
	if at.After(next.UpdatedAt) {
		next.UpdatedAt = at
	}
	return next, nil
}

func (i *Invocation) apply(event Event) (time.Time, error) {
	switch e := event.(type) {
	case LaunchIntended:
		return e.At, i.intend(e)
	case LaunchDeferred:
		return e.At, i.postpone(e)
	case WorkerLaunched:
		return e.At, i.launched(e)
	case WorkerStarted:
		return e.At, i.start(e)
	case CancelRequested:
		return e.At, i.cancel(e)
	case Doubted:
		return e.At, i.doubt(e)
	case Interrupted:
		return e.At, i.interrupt(e)
	case ExecutionEnded:
		return e.At, i.end(e)
	}
	return time.Time{}, fmt.Errorf("unknown event %T", event)
}

func (i *Invocation) intend(e LaunchIntended) error {
	switch _, live := i.Live(); {
	case i.Status.Terminal():
		return ErrTerminal
	case live:
		return ErrLive
	case i.CancelRequestedAt != nil:
		return ErrCancelRequested
	}
	// Why it waited stays known until a worker starts: see Waiting.Since.
	i.Executions = append(i.Executions, Execution{ID: e.Execution, Place: e.Place, State: Starting, CreatedAt: e.At})
	return nil
}

func (i *Invocation) postpone(e LaunchDeferred) error {
	x, err := i.live(e.Execution)
	if err != nil {
		return err
	}
	if x.State != Starting {
		return ErrFenced
	}
	i.Executions = i.Executions[:len(i.Executions)-1]
	if i.CancelRequestedAt != nil {
		i.Status, i.Waiting = Cancelled, nil
		return nil
	}
	since := e.At
	if i.Waiting != nil && !i.Waiting.Since.IsZero() {
		since = i.Waiting.Since
	}
	i.Waiting = &Waiting{Reason: e.Reason, Since: since, Until: e.Until}
	return nil
}

func (i *Invocation) launched(e WorkerLaunched) error {
	x, err := i.live(e.Execution)
	if err != nil {
		return err
	}
	if x.Worker != nil && *x.Worker == e.Worker {
		return ErrNoChange
	}
	worker := e.Worker
	x.Worker = &worker
	return nil
}

func (i *Invocation) start(e WorkerStarted) error {
	x, err := i.live(e.Execution)
	switch {
	case err != nil:
		return err
	case i.CancelRequestedAt != nil && x.State == Starting:
		return ErrCancelRequested
	case x.State == ExecutionRunning && x.Incarnation == e.Incarnation:
		return ErrNoChange
	case x.State == ExecutionRunning:
		return ErrFenced
	}
	at := e.At
	x.State, x.StartedAt, x.Incarnation = ExecutionRunning, &at, e.Incarnation
	i.Status, i.Waiting = Running, nil
	return nil
}

func (i *Invocation) cancel(e CancelRequested) error {
	switch {
	case i.Status.Terminal():
		return ErrTerminal
	case i.CancelRequestedAt != nil:
		return ErrNoChange
	}
	at := e.At
	i.CancelRequestedAt = &at
	if _, live := i.Live(); live {
		i.Status = Cancelling
	} else {
		i.Status, i.Waiting = Cancelled, nil
	}
	return nil
}

func (i *Invocation) doubt(e Doubted) error {
	x, err := i.live(e.Execution)
	if err != nil {
		return err
	}
	if x.DoubtedAt != nil {
		return ErrNoChange
	}
	at := e.At
	x.DoubtedAt = &at
	return nil
}

func (i *Invocation) interrupt(e Interrupted) error {
	x, err := i.live(e.Execution)
	if err != nil {
		return err
	}
	if x.Interrupt != "" {
		return ErrNoChange
	}
	at := e.At
	x.Interrupt, x.InterruptedAt = e.Why, &at
	return nil
}

func (i *Invocation) end(e ExecutionEnded) error {
	x, err := i.live(e.Execution)
	if err != nil {
		for _, other := range i.Executions {
			if other.ID == e.Execution && other.State == Ended {
				return ErrNoChange
			}
		}
		return err
	}
	at := e.At
	x.State, x.EndedAt, x.Outcome = Ended, &at, e.Outcome
	if e.Outcome == OutcomeCancelled && i.CancelRequestedAt == nil {
		// A worker that gives up without having been asked has failed.
		x.Outcome = OutcomeFailed
	}
	i.Status, i.Waiting = i.statusAfter(*x), nil
	return nil
}

// statusAfter says what becomes of an invocation whose live execution x ended.
func (i *Invocation) statusAfter(x Execution) Status {
	interrupted := x.Outcome == OutcomeTimedOut || x.Outcome == OutcomeCancelled
	switch {
	case x.Outcome == OutcomeSucceeded:
		return Succeeded
	case x.Interrupt == TimeOut && (interrupted || x.Outcome.CountsAsFailure()):
		return TimedOut
	case x.Outcome == OutcomeTimedOut && x.Interrupt != Cancel:
		return TimedOut
	case i.CancelRequestedAt != nil:
		return Cancelled
	case x.Outcome == OutcomeTimedOut:
		return TimedOut
	case x.Outcome == OutcomeLaunchFailed, i.FailedAttempts() > i.Spec.MaxRetries:
		return Failed
	}
	return Pending
}

// live returns the live execution for changing it, if it is this one.
func (i *Invocation) live(id string) (*Execution, error) {
	if x, ok := i.Live(); !ok || x.ID != id {
		if i.Status.Terminal() {
			return nil, fmt.Errorf("%w: %w", ErrFenced, ErrTerminal)
		}
		return nil, ErrFenced
	}
	return &i.Executions[len(i.Executions)-1], nil
}
