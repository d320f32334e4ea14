package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"multinode"
	"multinode/wire"
)

// facts is all that a view of an invocation is made of.
type facts struct {
	record   multinode.Invocation
	revision uint64
	input    string
	// parent is nil where there is none or it is gone.
	parent *multinode.Invocation
	// ready tells whether the invocation's version is.
	ready bool
	// results has an entry for each execution with a stored output or error.
	results map[string]result
	// waiting says why no user code runs; empty where nothing is to be said.
	waiting string
}

// result is what is stored of an execution apart from the record.
type result struct {
	output, err *string
	// yielded is when the latest intermediate output was stored.
	yielded time.Time
}

// project is the view of an invocation for release 1.0.1 and for today's
// clients at once.
//
// Release 1.0.1 has no status: it derives one from times, outcomes and counts.
// Those are chosen here so that it derives the status of the record. Where the
// truth serves that, it is told; where it does not, this is bent:
//
//   - Of a CANCELLED or TIMED_OUT invocation the execution that was stopped is
//     ABORTED, however it ended, and its signal came before or after "creation
//     plus timeout", which is how the two are told apart. One is made up where
//     there is none and the time of the last update alone would mislead.
//   - A FAILED invocation has max_retries one below the number of its failures,
//     and one made up where it has none.
//   - Any other execution that ended without success is FAILED.
//   - The last update of an execution is never before that of an older one, and
//     the newest comes first: the derived result is that of the first execution
//     with the latest update.
func project(f facts) wire.InvocationInfo {
	r := f.record
	shown := executions(f)
	info := wire.InvocationInfo{
		ProjectName: r.Key.Project, VersionID: r.Version, FunctionName: r.Key.Function, InvocationID: r.Key.ID,
		ParentInvocation: parentInfo(r, f.parent),
		ResourceSpec:     resourceSpec(r.Spec), ExecutionSpec: executionSpec(r.Spec), FunctionStatus: functionStatus(f.ready),
		Input:                   f.input,
		CancellationRequestTime: cancellationTime(r),
		InvocationStatus:        phase(r.Status), CreationTime: r.CreatedAt.Unix(), LastUpdateTime: r.UpdatedAt.Unix(),

		Status:            wire.Status(r.Status),
		NumFailedAttempts: r.FailedAttempts(),
		Revision:          f.revision,
	}
	if r.Status == multinode.Failed {
		info.ExecutionSpec.MaxRetries = countOutcome(shown, wire.OutcomeFailed) - 1
	}
	if newest, ok := r.Latest(); ok {
		result := f.results[newest.ID]
		info.Output, info.ErrorMessage = result.output, result.err
	}
	if f.waiting != "" {
		info.WaitingReason = &f.waiting
	}
	slices.Reverse(shown)
	info.Executions = shown
	return info
}

func phase(s multinode.Status) wire.InvocationPhase {
	if s.Terminal() {
		return wire.InvocationTerminated
	}
	return wire.InvocationRunning
}

// cancellationTime is set whenever release 1.0.1 needs it to see CANCELLING, and
// never where it would see that wrongly.
func cancellationTime(r multinode.Invocation) *int64 {
	switch {
	case r.Status == multinode.Pending || r.Status == multinode.Running:
		return nil
	case r.Status == multinode.Cancelling && r.CancelRequestedAt == nil:
		return unixOrNil(&r.UpdatedAt)
	}
	return unixOrNil(r.CancelRequestedAt)
}

func parentInfo(r multinode.Invocation, parent *multinode.Invocation) *wire.ParentInvocationInfo {
	a, ok := r.Parent()
	if !ok {
		return nil
	}
	if parent == nil {
		// It was removed after its retention: then it had ended.
		return &wire.ParentInvocationInfo{
			FunctionName: a.Function, InvocationID: a.ID, InvocationStatus: wire.InvocationTerminated,
			CreationTime: r.CreatedAt.Unix(), LastUpdateTime: r.CreatedAt.Unix(),
		}
	}
	return &wire.ParentInvocationInfo{
		FunctionName: a.Function, InvocationID: a.ID,
		CancellationRequestTime: cancellationTime(*parent), InvocationStatus: phase(parent.Status),
		CreationTime: parent.CreatedAt.Unix(), LastUpdateTime: parent.UpdatedAt.Unix(),
	}
}

// executions returns the executions as they are shown, the oldest first.
func executions(f facts) []wire.ExecutionSummary {
	r := f.record
	shown := make([]wire.ExecutionSummary, 0, len(r.Executions)+1)
	for _, x := range r.Executions {
		shown = append(shown, executionSummary(x, f.results[x.ID]))
	}
	switch r.Status {
	case multinode.Failed:
		if countOutcome(shown, wire.OutcomeFailed) == 0 {
			shown = append(shown, madeUp(r, wire.OutcomeFailed))
		}
	case multinode.Cancelled, multinode.TimedOut:
		shown = abort(r, shown)
	default:
	}
	for i := 1; i < len(shown); i++ {
		shown[i].LastUpdateTime = max(shown[i].LastUpdateTime, shown[i-1].LastUpdateTime)
	}
	return shown
}

// abort makes one execution of a CANCELLED or TIMED_OUT invocation the one that
// was stopped.
func abort(r multinode.Invocation, shown []wire.ExecutionSummary) []wire.ExecutionSummary {
	deadline := r.CreatedAt.Unix() + int64(r.Spec.Timeout/time.Second)
	timedOut := r.Status == multinode.TimedOut
	stopped, ok := r.Latest()
	if !ok || !wasStopped(r, stopped) {
		late := r.UpdatedAt.Unix() > deadline
		if late == timedOut && countOutcome(shown, wire.OutcomeFailed) != r.Spec.MaxRetries+1 {
			return shown // it is derived from the time of the last update alone
		}
		shown = append(shown, madeUp(r, wire.OutcomeAborted))
	}
	last := &shown[len(shown)-1]
	aborted := wire.OutcomeAborted
	last.Outcome = &aborted
	signal := last.LastUpdateTime
	if stopped.InterruptedAt != nil {
		signal = stopped.InterruptedAt.Unix()
	}
	if timedOut {
		signal = max(signal, deadline+1)
	} else {
		signal = min(signal, deadline)
	}
	last.TerminationSignalTime = &signal
	return shown
}

// wasStopped tells an execution that ended because of an interrupt or a cancel
// from one that had failed before.
func wasStopped(r multinode.Invocation, x multinode.Execution) bool {
	switch {
	case x.Outcome == multinode.OutcomeCancelled, x.Outcome == multinode.OutcomeTimedOut, x.Interrupt != "":
		return true
	case r.CancelRequestedAt == nil || x.EndedAt == nil:
		return false
	}
	return !x.EndedAt.Before(*r.CancelRequestedAt)
}

// madeUp is an execution that never was. Its ID is always the same.
func madeUp(r multinode.Invocation, outcome wire.Outcome) wire.ExecutionSummary {
	sum := sha256.Sum256([]byte(r.Key.ID))
	at := r.UpdatedAt.Unix()
	return wire.ExecutionSummary{
		ExecutionID:  multinode.ExecutionPrefix + "-" + hex.EncodeToString(sum[:16]),
		WorkerStatus: wire.WorkerTerminated, Outcome: &outcome,
		CreationTime: r.CreatedAt.Unix(), LastUpdateTime: at, ExecutionFinishTime: &at,
	}
}

func countOutcome(shown []wire.ExecutionSummary, outcome wire.Outcome) int {
	n := 0
	for _, x := range shown {
		if x.Outcome != nil && *x.Outcome == outcome {
			n++
		}
	}
	return n
}

func executionSummary(x multinode.Execution, r result) wire.ExecutionSummary {
	s := wire.ExecutionSummary{
		ExecutionID: x.ID, WorkerStatus: workerStatus(x), WorkerDetails: workerDetails(x),
		TerminationSignalTime: unixOrNil(x.InterruptedAt),
		Output:                r.output, ErrorMessage: r.err,
		CreationTime: x.CreatedAt.Unix(), ExecutionStartTime: unixOrNil(x.StartedAt), ExecutionFinishTime: unixOrNil(x.EndedAt),
	}
	s.LastUpdateTime = s.CreationTime
	for _, at := range []*time.Time{x.StartedAt, x.InterruptedAt, x.EndedAt} {
		if at != nil {
			s.LastUpdateTime = max(s.LastUpdateTime, at.Unix())
		}
	}
	if !r.yielded.IsZero() {
		s.LastUpdateTime = max(s.LastUpdateTime, r.yielded.Unix())
	}
	if x.State == multinode.Ended {
		outcome := wire.OutcomeFailed
		if x.Outcome == multinode.OutcomeSucceeded {
			outcome = wire.OutcomeSucceeded
		}
		s.Outcome = &outcome
	}
	return s
}

func workerStatus(x multinode.Execution) wire.WorkerStatus {
	switch {
	case x.State == multinode.Ended:
		return wire.WorkerTerminated
	case x.State == multinode.ExecutionRunning:
		return wire.WorkerRunning
	case x.Worker != nil:
		return wire.WorkerProvisioning
	}
	return wire.WorkerPending
}

func workerDetails(x multinode.Execution) *wire.WorkerDetails {
	if x.Worker == nil {
		return nil
	}
	kind := wire.WorkerTest
	if x.Worker.Kind == "fargate" {
		kind = wire.WorkerAWSECS
	}
	return &wire.WorkerDetails{Type: kind, Identifier: x.Worker.ID, LogsIdentifier: x.ID, Kind: x.Worker.Kind}
}
