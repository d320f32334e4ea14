package dispatcher

import (
	"context"
	"errors"
	"testing"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

func TestAVerdictThatComesAfterTheOutcomeIsVoid(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	_, won, err := b.store.PutOutcome(t.Context(), l.executionKey(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	if must(t, err); !won {
		t.Fatal("the worker's outcome was not stored")
	}
	must(t, l.kill(t.Context(), multinode.OutcomeLost, "silence"))
	if r := b.record(k); r.Status != multinode.Succeeded || r.Executions[0].Outcome != multinode.OutcomeSucceeded {
		t.Errorf("%+v", r)
	}
}

func TestAnOutcomeThatComesAfterTheVerdictIsVoid(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.MaxRetries = 0 })
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	_, err := l.putVerdict(t.Context(), multinode.OutcomeLost, "silence")
	must(t, err)
	_, won, err := b.store.PutOutcome(t.Context(), l.executionKey(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	if must(t, err); won {
		t.Fatal("the worker's outcome was stored, too")
	}
	done, err := l.settleIfStored(t.Context())
	if must(t, err); !done {
		t.Error("it was not settled")
	}
	if r := b.record(k); r.Status != multinode.Failed || r.Executions[0].Outcome != multinode.OutcomeLost {
		t.Errorf("%+v", r)
	}
}

// parent makes the record of a running invocation of another function.
func (b *bench) parent() multinode.InvocationKey {
	b.t.Helper()
	k := multinode.InvocationKey{Project: "p", Generation: b.project.Generation, Function: "parent", ID: multinode.NewID(multinode.InvocationPrefix)}
	_, _, err := b.store.Apply(b.t.Context(), k,
		multinode.Accepted{Key: k, At: b.clock.Now()}, multinode.LaunchIntended{Execution: "exe-parent", At: b.clock.Now()},
		multinode.WorkerStarted{Execution: "exe-parent", Incarnation: "w", At: b.clock.Now()})
	must(b.t, err)
	return k
}

func TestAChildOfWhatIsBeingCancelledIsNotLaunched(t *testing.T) {
	b := newBench(t)
	parent := b.parent()
	k := b.accept(multinode.Ancestor{Function: parent.Function, ID: parent.ID})
	_, _, err := b.store.RequestCancel(t.Context(), parent)
	must(t, err)
	c := newCompute("here")
	if err := newLease(b.dispatcher(c), b.delivery()).begin(t.Context()); !errors.Is(err, errDropped) {
		t.Fatalf("it went on: %v", err)
	}
	if r := b.record(k); r.Status != multinode.Cancelled || c.launches() != 0 {
		t.Errorf("%s, %d launches", r.Status, c.launches())
	}
}

func TestAChildThatOvertakesItsParentsCancelIsNotLetIn(t *testing.T) {
	b := newBench(t)
	parent := b.parent()
	k := b.accept(multinode.Ancestor{Function: parent.Function, ID: parent.ID})
	l := b.begun(b.dispatcher(newCompute("here")))
	// The walk to the children has found none: this one was not recorded yet.
	_, _, err := b.store.RequestCancel(t.Context(), parent)
	must(t, err)
	call := helloCall{incarnation: "w", answer: make(chan *multinode.Assignment, 1)}
	must(t, l.welcome(t.Context(), call))
	if a := <-call.answer; a != nil {
		t.Fatal("it was given its input")
	}
	<-l.look
	if done, err := l.lookAgain(t.Context()); !done || err != nil {
		t.Errorf("it was not ended: %v", err)
	}
	if r := b.record(k); r.Status != multinode.Cancelled || r.Executions[0].StartedAt != nil {
		t.Errorf("%+v", r)
	}
}

func TestAChildThatRunsFindsItsParentsCancelWithoutAHint(t *testing.T) {
	b := newBench(t)
	parent := b.parent()
	b.accept(multinode.Ancestor{Function: parent.Function, ID: parent.ID})
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	_, _, err := b.store.RequestCancel(t.Context(), parent)
	must(t, err)
	if done, err := b.pass(l, multinode.RenewInterval, nil); done || err != nil || l.desired.Load() != multinode.Cancel {
		t.Errorf("it is told to %v: %v", l.desired.Load(), err)
	}
}

// After a crash of the server counts begin anew: they must not decide anything.
func TestWhatIsDeliveredAgainAsTheFirstTimeIsAdopted(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.MaxConcurrency = 2 })
	ended, c := b.accept(), newCompute("here")
	d := b.dispatcher(c)
	first := b.begun(d)
	b.running(first, "w")
	_, _, err := b.store.PutOutcome(t.Context(), first.executionKey(), multinode.Outcome{Kind: multinode.OutcomeSucceeded})
	must(t, err)
	if done, err := first.settleIfStored(t.Context()); !done || err != nil {
		t.Fatal(err)
	}
	d.forget(first)
	running := b.accept()
	older := b.begun(d)
	b.running(older, "w")

	b.amnesia()
	if err := newLease(d, b.delivery()).begin(t.Context()); !errors.Is(err, errDropped) {
		t.Errorf("what has ended went on: %v", err)
	}
	newer := b.begun(d)
	if newer.execution != older.execution || c.launches() != 2 {
		t.Errorf("%d were launched", c.launches())
	}
	// Either lease may bring it to its end, whichever was delivered how often.
	_, _, err = b.store.PutOutcome(t.Context(), older.executionKey(), multinode.Outcome{Kind: multinode.OutcomeSucceeded})
	must(t, err)
	for _, l := range []*lease{older, newer} {
		if _, err := l.settleIfStored(t.Context()); err != nil {
			t.Errorf("settling it: %v", err)
		}
	}
	for _, k := range []multinode.InvocationKey{ended, running} {
		if r := b.record(k); r.Status != multinode.Succeeded || len(r.Executions) != 1 {
			t.Errorf("%+v", r)
		}
	}
}

func TestARequestThatIsDeliveredTwiceHasOneLease(t *testing.T) {
	b := newBench(t)
	k, c := b.accept(), newCompute("here")
	launched := make(chan struct{}, 2)
	c.launch = func(context.Context) error { launched <- struct{}{}; return nil }
	d := b.dispatcher(c)
	d.take(t.Context(), b.delivery())
	<-launched
	d.mu.Lock()
	first := d.all[k]
	d.mu.Unlock()
	b.amnesia()
	ctx, cancel := context.WithCancel(t.Context())
	d.take(ctx, b.delivery())
	<-first.ended
	d.mu.Lock()
	if second := d.all[k]; second == first || len(d.all) != 1 {
		t.Errorf("%d leases", len(d.all))
	}
	d.mu.Unlock()
	cancel()
	d.running.Wait()
	if len(launched) != 0 {
		t.Error("it was launched again")
	}
}

func TestTheReaperAsksTheLeaderBeforeItStopsAnything(t *testing.T) {
	b := newBench(t)
	b.accept()
	c := newCompute("here")
	l := b.begun(b.dispatcher(c))
	b.running(l, "w")
	d := b.dispatcher(c) // another one at this place
	sweep(t, d, l)
	if len(c.stops()) != 0 {
		t.Error("it stopped what another dispatcher's record wants")
	}
	must(t, l.kill(t.Context(), multinode.OutcomeLost, "silence"))
	sweep(t, d, l)
	if s := c.stops(); len(s) != 2 {
		t.Errorf("it stopped %v", s)
	}
}

func TestALeaseStopsNothingOnAnOldRecord(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	l := b.begun(b.dispatcher(c))
	// Others have let the worker in and cancelled it; this lease knows of neither,
	// and must leave the code its grace.
	_, _, err := b.store.Apply(t.Context(), k,
		multinode.WorkerStarted{Execution: l.execution, Incarnation: "w", At: b.clock.Now()}, multinode.CancelRequested{At: b.clock.Now()})
	must(t, err)
	if done, err := l.lookAgain(t.Context()); done || err != nil {
		t.Errorf("it was ended: %v", err)
	}
	if len(c.stops()) != 0 || l.desired.Load() != multinode.Cancel {
		t.Errorf("stopped %v, told to %v", c.stops(), l.desired.Load())
	}
}

var _ provision.Provisioner = (*compute)(nil)
var _ streams.WorkerHandler = (*Dispatcher)(nil)
