package multinode_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"multinode"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// history applies events in turn and fails the test where one is refused.
func history(t *testing.T, retries int, events ...multinode.Event) multinode.Invocation {
	t.Helper()
	record, err := multinode.Next(nil, multinode.Accepted{Spec: multinode.FunctionSpec{MaxRetries: retries}, At: start})
	for i, e := range events {
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		record, err = multinode.Next(&record, e)
	}
	if err != nil {
		t.Fatalf("the last event: %v", err)
	}
	return record
}

func intend(id string) multinode.Event { return multinode.LaunchIntended{Execution: id, At: start} }
func started(id string) multinode.Event {
	return multinode.WorkerStarted{Execution: id, Incarnation: "w-" + id, At: start}
}
func ended(id string, k multinode.OutcomeKind) multinode.Event {
	return multinode.ExecutionEnded{Execution: id, Outcome: k, At: start}
}
func interrupted(id string, why multinode.Desired) multinode.Event {
	return multinode.Interrupted{Execution: id, Why: why, At: start}
}

var cancelled = multinode.CancelRequested{At: start}

func TestStatusAfterAHistory(t *testing.T) {
	type events = []multinode.Event
	for _, c := range []struct {
		name    string
		retries int
		events  events
		want    multinode.Status
	}{
		{"accepted", 0, nil, multinode.Pending},
		{"launched, worker not there yet", 0, events{intend("a")}, multinode.Pending},
		{"running", 0, events{intend("a"), started("a")}, multinode.Running},
		{"succeeded", 0, events{intend("a"), started("a"), ended("a", multinode.OutcomeSucceeded)}, multinode.Succeeded},
		{"failed", 0, events{intend("a"), started("a"), ended("a", multinode.OutcomeFailed)}, multinode.Failed},
		{"failed with a try left", 1, events{intend("a"), started("a"), ended("a", multinode.OutcomeFailed)}, multinode.Pending},
		{"lost with a try left", 1, events{intend("a"), ended("a", multinode.OutcomeLost)}, multinode.Pending},
		{"failed twice", 1, events{intend("a"), ended("a", multinode.OutcomeOutOfMemory), intend("b"), ended("b", multinode.OutcomeFailed)}, multinode.Failed},
		{"a launch that can never work", 5, events{intend("a"), ended("a", multinode.OutcomeLaunchFailed)}, multinode.Failed},
		{"put off", 0, events{intend("a"), multinode.LaunchDeferred{Execution: "a", At: start}}, multinode.Pending},
		{"cancelled while waiting", 0, events{cancelled}, multinode.Cancelled},
		{"cancelled while starting", 0, events{intend("a"), cancelled}, multinode.Cancelling},
		{"cancelled, launch put off", 0, events{intend("a"), cancelled, multinode.LaunchDeferred{Execution: "a", At: start}}, multinode.Cancelled},
		{"cancelled while running", 1, events{intend("a"), started("a"), cancelled}, multinode.Cancelling},
		{"cancelled and ended", 1, events{intend("a"), started("a"), cancelled, ended("a", multinode.OutcomeCancelled)}, multinode.Cancelled},
		{"no retry after a cancel", 1, events{intend("a"), started("a"), cancelled, ended("a", multinode.OutcomeFailed)}, multinode.Cancelled},
		{"a stored success beats a cancel", 0, events{intend("a"), started("a"), cancelled, ended("a", multinode.OutcomeSucceeded)}, multinode.Succeeded},
		{"timed out", 5, events{intend("a"), started("a"), ended("a", multinode.OutcomeTimedOut)}, multinode.TimedOut},
		{"timed out by the dispatcher, killed", 5, events{intend("a"), started("a"), interrupted("a", multinode.TimeOut), ended("a", multinode.OutcomeLost)}, multinode.TimedOut},
		{"a time-out before a cancel", 0, events{intend("a"), started("a"), interrupted("a", multinode.TimeOut), cancelled, ended("a", multinode.OutcomeCancelled)}, multinode.TimedOut},
		{"a cancel before a time-out", 0, events{intend("a"), started("a"), cancelled, interrupted("a", multinode.Cancel), ended("a", multinode.OutcomeTimedOut)}, multinode.Cancelled},
		{"a worker that gives up unasked", 0, events{intend("a"), started("a"), ended("a", multinode.OutcomeCancelled)}, multinode.Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := history(t, c.retries, c.events...).Status; got != c.want {
				t.Errorf("the status is %s, not %s", got, c.want)
			}
		})
	}
}

func TestOnlyTheFirstWorkerOfAnExecutionIsLetIn(t *testing.T) {
	record := history(t, 0, intend("a"), started("a"))
	if _, err := multinode.Next(&record, started("a")); !errors.Is(err, multinode.ErrNoChange) {
		t.Errorf("the same worker asking again got %v", err)
	}
	if _, err := multinode.Next(&record, multinode.WorkerStarted{Execution: "a", Incarnation: "other", At: start}); !errors.Is(err, multinode.ErrFenced) {
		t.Errorf("another worker got %v", err)
	}
	if _, err := multinode.Next(&record, started("b")); !errors.Is(err, multinode.ErrFenced) {
		t.Errorf("another execution's worker got %v", err)
	}
}

// anyEvent draws events about few executions, so that they meet.
func anyEvent(t *rapid.T) multinode.Event {
	id := fmt.Sprint("e", rapid.IntRange(0, 4).Draw(t, "execution"))
	at := start.Add(time.Duration(rapid.IntRange(-5, 1000).Draw(t, "at")) * time.Second)
	kinds := []multinode.OutcomeKind{
		multinode.OutcomeSucceeded, multinode.OutcomeFailed, multinode.OutcomeCancelled, multinode.OutcomeTimedOut,
		multinode.OutcomeLost, multinode.OutcomeOutOfMemory, multinode.OutcomeLaunchFailed,
	}
	switch rapid.IntRange(0, 8).Draw(t, "event") {
	case 0:
		return multinode.Accepted{At: at}
	case 1:
		return multinode.LaunchIntended{Execution: id, At: at}
	case 2:
		return multinode.LaunchDeferred{Execution: id, Reason: "full", At: at}
	case 3:
		return multinode.WorkerLaunched{Execution: id, Worker: multinode.Worker{ID: id}, At: at}
	case 4:
		return multinode.WorkerStarted{Execution: id, Incarnation: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "incarnation"), At: at}
	case 5:
		return multinode.CancelRequested{At: at}
	case 6:
		return multinode.Interrupted{Execution: id, Why: rapid.SampledFrom([]multinode.Desired{multinode.Cancel, multinode.TimeOut}).Draw(t, "why"), At: at}
	case 7:
		return multinode.Doubted{Execution: id, At: at}
	default:
		return multinode.ExecutionEnded{Execution: id, Outcome: rapid.SampledFrom(kinds).Draw(t, "outcome"), At: at}
	}
}

func TestAnyOrderOfEventsKeepsTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		retries := rapid.IntRange(0, 3).Draw(t, "retries")
		record, err := multinode.Next(nil, multinode.Accepted{Spec: multinode.FunctionSpec{MaxRetries: retries}, At: start})
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 40).Draw(t, "events") {
			e := anyEvent(t)
			before := record
			executions := append([]multinode.Execution(nil), record.Executions...)
			next, err := multinode.Next(&record, e)
			if !reflect.DeepEqual(record.Executions, executions) && len(executions) > 0 {
				t.Fatalf("%T changed the record it was given", e)
			}
			if err != nil && !reflect.DeepEqual(next, before) {
				t.Fatalf("%T was refused (%v) and changed the record", e, err)
			}
			if before.Status.Terminal() && (err == nil || next.Status != before.Status) {
				t.Fatalf("%T changed a terminal record: %s to %s, %v", e, before.Status, next.Status, err)
			}
			if err == nil {
				if _, again := multinode.Next(&next, e); again == nil && !isLaunch(e) {
					t.Fatalf("%T applied twice", e)
				}
			}
			record = next
			check(t, record, retries)
		}
		finish(t, record)
	})
}

func isLaunch(e multinode.Event) bool {
	_, ok := e.(multinode.LaunchIntended)
	return ok
}

// check says what is true of every record.
func check(t *rapid.T, r multinode.Invocation, retries int) {
	live := 0
	for i, x := range r.Executions {
		if x.State == multinode.Ended {
			continue
		}
		if live++; i != len(r.Executions)-1 {
			t.Fatal("an execution other than the latest is live")
		}
	}
	if r.FailedAttempts() > retries+1 {
		t.Fatalf("%d failed attempts with %d retries", r.FailedAttempts(), retries)
	}
	if r.Status.Terminal() && live > 0 {
		t.Fatalf("%s with a live execution", r.Status)
	}
	if r.Status == multinode.Running && live == 0 || r.Status == multinode.Cancelling && live == 0 {
		t.Fatalf("%s without a live execution", r.Status)
	}
	if r.CancelRequestedAt != nil && (r.Status == multinode.Pending || r.Status == multinode.Running) {
		t.Fatalf("%s after a cancel", r.Status)
	}
}

// finish shows that nothing is stuck: from any record a few ordinary events lead
// to the end.
func finish(t *rapid.T, r multinode.Invocation) {
	for i := range 20 {
		if r.Status.Terminal() {
			return
		}
		var e multinode.Event = multinode.LaunchIntended{Execution: fmt.Sprint("last", i), At: start}
		if live, ok := r.Live(); ok {
			e = multinode.ExecutionEnded{Execution: live.ID, Outcome: multinode.OutcomeFailed, At: start}
		}
		next, err := multinode.Next(&r, e)
		if err != nil {
			t.Fatalf("%T on %s: %v", e, r.Status, err)
		}
		r = next
	}
	t.Fatalf("still %s", r.Status)
}
