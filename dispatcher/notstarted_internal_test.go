package dispatcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
)

// A launch that worked, and of which nothing came, uses up no try.
func TestAWorkerThatNeverStartedIsLaunchedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		kind provision.Kind
		says string
	}{
		"for want of capacity":            {provision.NoCapacity, "no capacity: Capacity is unavailable"},
		"for a cause that may go away":    {provision.Transient, "will be tried again: Capacity is unavailable"},
		"as another dispatcher has heard": {provision.NoCapacity, "no capacity: Capacity is unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(s *multinode.FunctionSpec) { s.MaxRetries = 0 })
			k := b.accept()
			shared := newCompute("here")
			d := b.dispatcher(shared)
			l := b.begun(d)
			exit := provision.Exit{ExecutionID: l.execution, NotStarted: true, Kind: c.kind, Detail: "Capacity is unavailable"}
			if name == "as another dispatcher has heard" {
				must(t, b.store.FollowExits(t.Context(), d.exitTold))
				must(t, b.nc.Flush())
				b.dispatcher(shared).exited(exit)
			} else {
				d.exited(exit)
			}
			heard := <-l.exited
			l.gone = &heard
			if _, err := l.workerExited(t.Context()); !errors.Is(err, errDropped) {
				t.Fatal(err)
			}
			r := b.record(k)
			if r.Status != multinode.Pending || len(r.Executions) != 0 || r.Waiting == nil || !strings.Contains(r.Waiting.Reason, c.says) || !r.Waiting.Until.After(b.clock.Now()) {
				t.Fatalf("%+v %+v", r, r.Waiting)
			}
			if s := shared.stops(); len(s) != 1 || s[0].execution != l.execution {
				t.Errorf("stopped %v", s)
			}
			second := b.begun(d)
			b.running(second, "w")
			if r := b.record(k); r.Status != multinode.Running || len(r.Executions) != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// The pause grows, however often it is the start and not the launch that fails.
func TestThePauseBeforeAnotherLaunchGrows(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	d := b.dispatcher(newCompute("here"))
	for range 2 {
		l := b.begun(d)
		l.gone = &provision.Exit{ExecutionID: l.execution, NotStarted: true, Detail: "the task did not start in time"}
		if _, err := l.workerExited(t.Context()); !errors.Is(err, errDropped) {
			t.Fatal(err)
		}
		b.clock.Advance(10 * time.Minute)
	}
	if r := b.record(k); r.Waiting.Until.Sub(r.UpdatedAt) < launchPauseMost {
		t.Errorf("%+v, written at %v", r.Waiting, r.UpdatedAt)
	}
}

func TestAWorkerThatCanNeverStartEndsTheInvocation(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	l.gone = &provision.Exit{ExecutionID: l.execution, NotStarted: true, Kind: provision.Permanent, Detail: "CannotPullContainerError: not found"}
	if done, err := l.workerExited(t.Context()); !done || err != nil {
		t.Fatal(err)
	}
	if r, o := b.record(k), b.outcome(l); r.Status != multinode.Failed || o.Kind != multinode.OutcomeLaunchFailed || !strings.Contains(o.Error, "CannotPullContainerError") {
		t.Errorf("%+v, %+v", r, o)
	}
	logs, _, err := b.store.Logs(t.Context(), l.executionKey(), "", 100)
	must(t, err)
	if len(logs) == 0 || !strings.Contains(logs[len(logs)-1].Text, "CannotPullContainerError") {
		t.Errorf("its log says %v", logs)
	}
}

// A worker that was let in has started, whatever is told of it.
func TestAWorkerThatWasLetInIsLost(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	l.gone = &provision.Exit{ExecutionID: l.execution, NotStarted: true, Detail: "interrupted"}
	if done, err := l.workerExited(t.Context()); !done || err != nil {
		t.Fatal(err)
	}
	if r := b.record(k); r.FailedAttempts() != 1 || r.Executions[0].Outcome != multinode.OutcomeLost {
		t.Errorf("%+v", r)
	}
}

// lagging is compute behind an API that shows its workers late.
type lagging struct {
	*compute
	says provision.Presence
}

func (lagging) List(context.Context) ([]provision.Worker, error) { return nil, nil }

func (l lagging) Find(context.Context, string, multinode.Worker, time.Time) (provision.Presence, error) {
	return l.says, nil
}

func TestAWorkerThatIsNotShownYetIsNotCalledGone(t *testing.T) {
	for name, says := range map[string]provision.Presence{"not shown yet": provision.Unknown, "looked for and found": provision.Alive, "gone": provision.Gone} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			k := b.accept()
			c := newCompute("here")
			d := b.dispatcher(c)
			d.Provisioner = lagging{c, says}
			first := b.begun(d)
			b.running(first, "w")
			crash(t, first)
			second := b.begun(d)
			done, err := second.tend(t.Context(), b.clock.Now())
			must(t, err)
			if lost := b.record(k).FailedAttempts() == 1; lost != (says == provision.Gone) || done != lost {
				t.Errorf("ended %v, lost %v", done, lost)
			}
			// Nor is anybody elsewhere told so.
			defer b.answers(d)()
			if alive, err := b.store.AskPlace(t.Context(), "here", "exe-somewhere"); !alive || err != nil {
				t.Errorf("told that it is gone: %v", err)
			}
			// Silence decides then.
			if says == provision.Unknown {
				done, err = b.pass(second, multinode.LostAfter+multinode.RenewInterval, nil)
				if must(t, err); !done {
					t.Error("a silent worker is waited for")
				}
			}
		})
	}
}

// The handle of a worker that takes its time is in the record before it speaks.
func TestTheHandleOfASlowWorkerIsStored(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	if live, _ := b.record(k).Live(); live.Worker != nil {
		t.Error("stored at once, which costs quick ones a write")
	}
	_, err := b.pass(l, multinode.RenewInterval, nil)
	must(t, err)
	if live, _ := b.record(k).Live(); live.Worker == nil || live.Worker.ID != l.execution {
		t.Errorf("%+v", live)
	}
	b.running(l, "w")
}
