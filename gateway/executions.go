package gateway

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// These paths are for workers that have nothing but HTTP; the system's own
// workers talk to NATS. They lead to the same records and outcomes.

func (g *Gateway) getExecution(ctx context.Context, c *call) (wire.ExecutionInfo, error) {
	s, x, err := g.executionOf(ctx, c)
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	return g.executionInfo(ctx, s, x.ID)
}

func (g *Gateway) startExecution(ctx context.Context, c *call) (wire.ExecutionInfo, error) {
	s, x, err := g.reportedOn(ctx, c)
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	s.record, s.revision, err = g.store.Apply(ctx, s.record.Key, multinode.WorkerStarted{
		// Each start is somebody else's: a second one is refused.
		Execution: x.ID, Incarnation: multinode.NewHTTPIncarnation(), At: g.now(),
	})
	if errors.Is(err, multinode.ErrFenced) || errors.Is(err, multinode.ErrCancelRequested) || errors.Is(err, multinode.ErrTerminal) {
		if now, ok := findExecution(s.record, x.ID); ok && now.State == multinode.ExecutionRunning {
			return wire.ExecutionInfo{}, wire.ExecutionHasAlreadyStarted
		}
		return wire.ExecutionInfo{}, wire.ExecutionIsAlreadyTerminated
	}
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	g.creations.wrote(s.revision)
	// Its owner times the code from now on, and learns of this by the hint.
	g.store.HintCancel(s.record.Key)
	return g.executionInfo(ctx, s, x.ID)
}

func (g *Gateway) updateExecution(ctx context.Context, c *call, r wire.ExecutionTemporaryResult) (wire.ExecutionInfo, error) {
	s, x, err := g.reportedOn(ctx, c)
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	if err := g.checkRunning(ctx, s.record.Key, x); err != nil {
		return wire.ExecutionInfo{}, err
	}
	if err := g.store.PutYield(ctx, s.record.Key.Execution(x.ID), []byte(r.LatestOutput)); err != nil {
		return wire.ExecutionInfo{}, err
	}
	return g.executionInfo(ctx, s, x.ID)
}

func (g *Gateway) finishExecution(ctx context.Context, c *call, r wire.ExecutionFinalResult) (wire.ExecutionInfo, error) {
	if err := checkFinalResult(r); err != nil {
		return wire.ExecutionInfo{}, err
	}
	s, x, err := g.reportedOn(ctx, c)
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	if err := g.checkRunning(ctx, s.record.Key, x); err != nil {
		return wire.ExecutionInfo{}, err
	}
	outcome, err := g.finalOutcome(ctx, s, x, r)
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	_, won, err := g.store.PutOutcome(ctx, s.record.Key.Execution(x.ID), outcome)
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	if !won {
		return wire.ExecutionInfo{}, wire.ExecutionHasAlreadyFinished
	}
	// A dispatcher writes the record; what it will say is clear already.
	ended := multinode.ExecutionEnded{Execution: x.ID, Outcome: outcome.Kind, At: g.now()}
	if s.record, err = multinode.Next(&s.record, ended); err != nil {
		return wire.ExecutionInfo{}, err
	}
	return g.executionInfo(ctx, s, x.ID)
}

func checkFinalResult(r wire.ExecutionFinalResult) error {
	failed := r.Outcome == wire.OutcomeFailed
	switch {
	case failed && r.ErrorMessage == nil:
		return violation("value_error.missing", "an error message is required when the outcome is FAILED", "body", "error_message")
	case !failed && r.ErrorMessage != nil:
		return violation("value_error", "there is an error message only when the outcome is FAILED", "body", "error_message")
	}
	return nil
}

// finalOutcome puts a worker's result into the system's words. A generator's
// result is its latest yield, which it has sent before.
func (g *Gateway) finalOutcome(ctx context.Context, s invocationScope, x multinode.Execution, r wire.ExecutionFinalResult) (multinode.Outcome, error) {
	var o multinode.Outcome
	switch r.Outcome {
	case wire.OutcomeSucceeded:
		o.Kind = multinode.OutcomeSucceeded
	case wire.OutcomeFailed:
		o.Kind, o.Error = multinode.OutcomeFailed, *r.ErrorMessage
	default:
		o.Kind = g.abortedKind(s.record, x)
	}
	if r.FinalOutput != nil {
		o.Output = []byte(*r.FinalOutput)
		return o, nil
	}
	latest, _, err := g.store.LatestYield(ctx, s.record.Key.Execution(x.ID))
	switch {
	case err == nil:
		o.Output = latest
	case !errors.Is(err, streams.ErrNotFound):
		return o, err
	case o.Kind == multinode.OutcomeSucceeded:
		o.Output = []byte("null")
	}
	return o, nil
}

// abortedKind tells a time-out from a cancel: by the interrupt that was sent, or
// else by the time, as the worker itself does.
func (g *Gateway) abortedKind(r multinode.Invocation, x multinode.Execution) multinode.OutcomeKind {
	late := x.StartedAt != nil && g.now().Sub(*x.StartedAt) > r.Spec.Timeout
	if x.Interrupt == multinode.TimeOut || x.Interrupt == "" && r.CancelRequestedAt == nil && late {
		return multinode.OutcomeTimedOut
	}
	return multinode.OutcomeCancelled
}

// reportedOn finds the execution that the caller reports on, and checks that it
// may.
func (g *Gateway) reportedOn(ctx context.Context, c *call) (invocationScope, multinode.Execution, error) {
	s, x, err := g.executionOf(ctx, c)
	if err != nil {
		return s, x, err
	}
	return s, x, c.writesAs(s.record.Key.Execution(x.ID))
}

// checkRunning lets only those report that have started and not finished.
func (g *Gateway) checkRunning(ctx context.Context, k multinode.InvocationKey, x multinode.Execution) error {
	switch x.State {
	case multinode.Starting:
		return wire.ExecutionHasNotStarted
	case multinode.ExecutionRunning:
		_, _, err := g.store.Outcome(ctx, k.Execution(x.ID))
		if errors.Is(err, streams.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return wire.ExecutionHasAlreadyFinished
	default:
	}
	switch x.Outcome {
	case multinode.OutcomeSucceeded, multinode.OutcomeFailed, multinode.OutcomeCancelled, multinode.OutcomeTimedOut:
		return wire.ExecutionHasAlreadyFinished
	default:
		return wire.ExecutionIsAlreadyTerminated
	}
}

// executionInfo shows one execution of an invocation.
func (g *Gateway) executionInfo(ctx context.Context, s invocationScope, id string) (wire.ExecutionInfo, error) {
	f, err := g.facts(ctx, s, nil)
	if err != nil {
		return wire.ExecutionInfo{}, err
	}
	x, ok := findExecution(s.record, id)
	if !ok {
		return wire.ExecutionInfo{}, wire.ExecutionDoesNotExist
	}
	return executionInfo(f, x, g.now()), nil
}

func executionInfo(f facts, x multinode.Execution, now time.Time) wire.ExecutionInfo {
	invocation := project(f)
	info := wire.ExecutionInfo{
		ProjectName: invocation.ProjectName, VersionID: invocation.VersionID, FunctionName: invocation.FunctionName,
		InvocationID: invocation.InvocationID, Input: invocation.Input,
		CancellationRequestTime: invocation.CancellationRequestTime,
		ResourceSpec:            invocation.ResourceSpec, ExecutionSpec: invocation.ExecutionSpec,
		FunctionStatus:         invocation.FunctionStatus,
		InvocationCreationTime: countsFrom(x, now).Unix(),
	}
	for _, shown := range invocation.Executions {
		if shown.ExecutionID == x.ID {
			info.ExecutionSummary = shown
		}
	}
	return info
}

// countsFrom is what a worker of release 1.0.1 counts its timeout from. It asks
// just before it starts, and compares whole seconds when it is interrupted: with
// one second more on its clock it never takes a time-out for a cancel.
func countsFrom(x multinode.Execution, now time.Time) time.Time {
	switch {
	case x.StartedAt != nil:
		return *x.StartedAt
	case x.State == multinode.Ended:
		return x.CreatedAt
	}
	return now.Add(-time.Second)
}
