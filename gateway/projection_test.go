package gateway

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"multinode"
	"multinode/wire"
)

// derived is what release 1.0.1 makes of an invocation, by the rules of the
// contract, written down here a second time and independently of the projection.
type derived struct {
	status        string
	result, error *string
	failures      int
}

func derive(i wire.InvocationInfo) derived {
	d := derived{}
	var succeeded, timedOut, cancelled, running bool
	deadline := i.CreationTime + int64(i.ExecutionSpec.TimeoutSeconds)
	for n, x := range i.Executions {
		ended, silent := x.WorkerStatus == wire.WorkerTerminated, x.Outcome == nil
		stoppedEarly := x.TerminationSignalTime != nil && x.ExecutionStartTime == nil
		is := func(o wire.Outcome) bool { return !silent && *x.Outcome == o }
		switch {
		case is(wire.OutcomeSucceeded):
			succeeded = true
		case is(wire.OutcomeAborted), ended && silent && stoppedEarly:
			if x.TerminationSignalTime != nil && *x.TerminationSignalTime > deadline {
				timedOut = true
			} else {
				cancelled = true
			}
		case is(wire.OutcomeFailed), ended && silent:
			d.failures++
		}
		if x.WorkerStatus == wire.WorkerRunning && x.ExecutionStartTime != nil && silent {
			running = true
		}
		// Python's max returns the first of equals.
		if n == 0 || x.LastUpdateTime > latestUpdate(i.Executions[:n]) {
			d.result, d.error = x.Output, x.ErrorMessage
		}
	}
	terminated := i.InvocationStatus == wire.InvocationTerminated
	switch {
	case succeeded:
		d.status = "SUCCEEDED"
	case timedOut:
		d.status = "TIMED OUT"
	case cancelled:
		d.status = "CANCELLED"
	case d.failures == i.ExecutionSpec.MaxRetries+1:
		d.status = "FAILED"
	case terminated && i.LastUpdateTime > deadline:
		d.status = "TIMED OUT"
	case terminated:
		d.status = "CANCELLED"
	case i.CancellationRequestTime != nil:
		d.status = "CANCELLING"
	case running:
		d.status = "RUNNING"
	default:
		d.status = "PENDING"
	}
	return d
}

func latestUpdate(executions []wire.ExecutionSummary) int64 {
	latest := executions[0].LastUpdateTime
	for _, x := range executions {
		latest = max(latest, x.LastUpdateTime)
	}
	return latest
}

func wanted(s multinode.Status) string {
	if s == multinode.TimedOut {
		return "TIMED OUT"
	}
	return string(s)
}

// history makes the facts of an invocation from random events, through the same
// function by which records change, and with the results that were stored on the
// way. Times go on by less and by more than the timeout.
func history(r *rand.Rand) facts {
	now := time.Unix(1_700_000_000, 0).Add(time.Duration(r.IntN(1000)) * time.Millisecond).UTC()
	spec := multinode.FunctionSpec{
		Name: "f", CPU: 0.5, MemoryGiB: 0.25, MaxConcurrency: 2, MaxRetries: r.IntN(3),
		Timeout: time.Duration(1+r.IntN(20)) * time.Second,
	}
	key := multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-1"}
	record, _ := multinode.Next(nil, multinode.Accepted{Key: key, Version: "ver-1", Spec: spec, At: now})
	f := facts{input: "1", ready: true, results: map[string]result{}}
	steps := []time.Duration{0, 100 * time.Millisecond, time.Second, 7 * time.Second, time.Minute}
	for n := range r.IntN(14) {
		now = now.Add(steps[r.IntN(len(steps))])
		id := fmt.Sprintf("exe-%d", n)
		if x, ok := record.Live(); ok {
			id = x.ID
		}
		event := anyEvent(r, id, now)
		next, err := multinode.Next(&record, event)
		if err != nil {
			continue
		}
		record = next
		x, _ := record.Latest()
		switch e := event.(type) {
		case multinode.WorkerStarted:
			if r.IntN(2) == 0 {
				f.results[x.ID] = result{output: text(`"yield"`), yielded: now.Add(steps[r.IntN(3)])}
			}
		case multinode.ExecutionEnded:
			stored := f.results[x.ID]
			switch e.Outcome {
			case multinode.OutcomeSucceeded:
				stored.output = text(`"output of ` + x.ID + `"`)
			case multinode.OutcomeCancelled, multinode.OutcomeTimedOut:
			default:
				stored.err = text("error of " + x.ID)
			}
			f.results[x.ID] = stored
		}
	}
	f.record = record
	return f
}

func text(s string) *string { return &s }

func anyEvent(r *rand.Rand, execution string, now time.Time) multinode.Event {
	outcomes := []multinode.OutcomeKind{
		multinode.OutcomeSucceeded, multinode.OutcomeFailed, multinode.OutcomeFailed, multinode.OutcomeCancelled, multinode.OutcomeTimedOut,
		multinode.OutcomeLost, multinode.OutcomeOutOfMemory, multinode.OutcomeLaunchFailed,
	}
	switch r.IntN(12) {
	case 0, 1, 2:
		return multinode.LaunchIntended{Execution: execution, At: now}
	case 3:
		return multinode.LaunchDeferred{Execution: execution, Reason: "no capacity", Until: now, At: now}
	case 4:
		return multinode.WorkerLaunched{Execution: execution, Worker: multinode.Worker{Kind: "process", ID: "1"}, At: now}
	case 5, 6:
		return multinode.WorkerStarted{Execution: execution, Incarnation: "a", At: now}
	case 7:
		return multinode.CancelRequested{At: now}
	case 8:
		return multinode.Interrupted{Execution: execution, Why: multinode.Cancel, At: now}
	case 9:
		return multinode.Interrupted{Execution: execution, Why: multinode.TimeOut, At: now}
	}
	return multinode.ExecutionEnded{Execution: execution, Outcome: outcomes[r.IntN(len(outcomes))], At: now}
}

func TestRelease101DerivesTheStatusOfTheRecord(t *testing.T) {
	seen := map[multinode.Status]int{}
	for seed := range uint64(20_000) {
		f := history(rand.New(rand.NewPCG(seed, 0)))
		info := project(f)
		seen[f.record.Status]++
		got := derive(info)
		if got.status != wanted(f.record.Status) {
			t.Fatalf("seed %d: it derives %s of the record %+v, shown as %+v", seed, got.status, f.record, info)
		}
		checkTruth(t, seed, f, info, got)
	}
	for _, s := range []multinode.Status{
		multinode.Pending, multinode.Running, multinode.Cancelling, multinode.Succeeded, multinode.Failed, multinode.Cancelled, multinode.TimedOut,
	} {
		if seen[s] < 50 {
			t.Errorf("only %d histories led to %s", seen[s], s)
		}
	}
}

// checkTruth checks what is said beside the derived status.
func checkTruth(t *testing.T, seed uint64, f facts, info wire.InvocationInfo, got derived) {
	t.Helper()
	if info.Status != wire.Status(f.record.Status) || info.NumFailedAttempts != f.record.FailedAttempts() {
		t.Fatalf("seed %d: the record %+v is shown as %+v", seed, f.record, info)
	}
	newest, ok := f.record.Latest()
	if !ok {
		return
	}
	r := f.results[newest.ID]
	if differs(info.Output, r.output) || differs(info.ErrorMessage, r.err) {
		t.Fatalf("seed %d: shown %v, %v, stored %+v", seed, info.Output, info.ErrorMessage, r)
	}
	if info.Executions[0].ExecutionID == newest.ID && (differs(got.result, r.output) || differs(got.error, r.err)) {
		t.Fatalf("seed %d: it derives the result %v, %v of %+v", seed, got.result, got.error, info.Executions)
	}
	if info.Status == wire.StatusSucceeded && got.result == nil {
		t.Fatalf("seed %d: a success without a result: %+v", seed, info)
	}
}

// Case is a history of an invocation with a timeout of ten seconds, and what
// release 1.0.1 is to make of it.
type Case struct {
	Name       string
	Retries    int
	Events     []multinode.Event
	Status     string
	Executions int
	MaxRetries int
}

// Cases are those that the contract names, one by one.
func Cases(accepted time.Time, execution string) []Case {
	at := func(s int) time.Time { return accepted.Add(time.Duration(s) * time.Second) }
	intended := multinode.LaunchIntended{Execution: execution, At: at(1)}
	started := multinode.WorkerStarted{Execution: execution, Incarnation: "a", At: at(2)}
	ended := func(id string, o multinode.OutcomeKind, s int) multinode.Event {
		return multinode.ExecutionEnded{Execution: id, Outcome: o, At: at(s)}
	}
	return []Case{
		{"waiting", 1, nil, "PENDING", 0, 1},
		{"starting", 1, []multinode.Event{intended}, "PENDING", 1, 1},
		{"no capacity leaves no trace", 1, []multinode.Event{intended, multinode.LaunchDeferred{Execution: execution, At: at(2)}}, "PENDING", 0, 1},
		{"running", 1, []multinode.Event{intended, started}, "RUNNING", 1, 1},
		{"running beyond the timeout", 1, []multinode.Event{intended, started, multinode.Interrupted{Execution: execution, Why: multinode.TimeOut, At: at(100)}}, "RUNNING", 1, 1},
		{"cancelling", 1, []multinode.Event{intended, started, multinode.CancelRequested{At: at(3)}}, "CANCELLING", 1, 1},
		{"between tries", 1, []multinode.Event{intended, started, ended(execution, multinode.OutcomeFailed, 3)}, "PENDING", 1, 1},
		{"failed", 0, []multinode.Event{intended, started, ended(execution, multinode.OutcomeFailed, 3)}, "FAILED", 1, 0},
		{"failed with tries left", 5, []multinode.Event{intended, ended(execution, multinode.OutcomeLaunchFailed, 3)}, "FAILED", 1, 0},
		{"lost", 0, []multinode.Event{intended, started, ended(execution, multinode.OutcomeLost, 3)}, "FAILED", 1, 0},
		{"cancelled while waiting", 1, []multinode.Event{multinode.CancelRequested{At: at(3)}}, "CANCELLED", 0, 1},
		{"cancelled while waiting, late", 1, []multinode.Event{multinode.CancelRequested{At: at(100)}}, "CANCELLED", 1, 1},
		{"cancelled after a failure", 1, []multinode.Event{intended, started, ended(execution, multinode.OutcomeFailed, 3), multinode.CancelRequested{At: at(4)}}, "CANCELLED", 1, 1},
		{"cancelled after a failure, late", 1, []multinode.Event{intended, started, ended(execution, multinode.OutcomeFailed, 3), multinode.CancelRequested{At: at(100)}}, "CANCELLED", 2, 1},
		{"killed under a cancel, late", 0, []multinode.Event{intended, started, multinode.CancelRequested{At: at(90)}, ended(execution, multinode.OutcomeLost, 100)}, "CANCELLED", 1, 0},
		{"timed out", 1, []multinode.Event{intended, started, multinode.Interrupted{Execution: execution, Why: multinode.TimeOut, At: at(12)}, ended(execution, multinode.OutcomeTimedOut, 13)}, "TIMED OUT", 1, 1},
		{"timed out by the worker's own clock", 1, []multinode.Event{intended, started, ended(execution, multinode.OutcomeTimedOut, 5)}, "TIMED OUT", 1, 1},
		{"succeeded under a cancel", 1, []multinode.Event{intended, started, multinode.CancelRequested{At: at(3)}, ended(execution, multinode.OutcomeSucceeded, 4)}, "SUCCEEDED", 1, 1},
	}
}

func TestCasesOfTheProjection(t *testing.T) {
	accepted := time.Unix(1_700_000_000, 0).UTC()
	for _, c := range Cases(accepted, "exe-1") {
		spec := multinode.FunctionSpec{Name: "f", MaxRetries: c.Retries, Timeout: 10 * time.Second}
		record, err := multinode.Next(nil, multinode.Accepted{Spec: spec, At: accepted})
		for _, e := range c.Events {
			if err == nil {
				record, err = multinode.Next(&record, e)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		info := project(facts{record: record})
		if got := derive(info); got.status != c.Status || len(info.Executions) != c.Executions || info.ExecutionSpec.MaxRetries != c.MaxRetries {
			t.Errorf("%s: derived %s of %+v", c.Name, got.status, info)
		}
	}
}

// A failed record without an execution cannot come about today; it would be
// shown as what it is all the same.
func TestAFailureWithoutExecutions(t *testing.T) {
	info := project(facts{record: multinode.Invocation{Status: multinode.Failed, Spec: multinode.FunctionSpec{MaxRetries: 3, Timeout: time.Second}}})
	if got := derive(info); got.status != "FAILED" || info.NumFailedAttempts != 0 {
		t.Errorf("derived %+v of %+v", got, info)
	}
}

func TestWorkersOfUnknownKindsCanBeRead(t *testing.T) {
	for kind, want := range map[string]wire.WorkerType{"process": wire.WorkerTest, "docker": wire.WorkerTest, "fargate": wire.WorkerAWSECS} {
		d := workerDetails(multinode.Execution{ID: "exe-1", Worker: &multinode.Worker{Kind: kind, ID: "42"}})
		if d.Type != want || d.Kind != kind || d.Identifier != "42" {
			t.Errorf("%s is shown as %+v", kind, d)
		}
	}
}
