package dispatcher

import (
	"context"
	"errors"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

// crash gives the request of a dispatcher that is no more back to the server, as
// the end of AckWait does.
func crash(t *testing.T, l *lease) {
	t.Helper()
	l.d.forget(l)
	must(t, l.delivery.Nak(0))
}

func TestAWorkerOfAnotherPlaceIsJudgedByItsBeatsAlone(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	there, here := newCompute("there"), newCompute("here")
	first := b.begun(b.dispatcher(there))
	b.running(first, "w")
	crash(t, first)

	second := b.begun(b.dispatcher(here)) // which does not know the worker
	if second.execution != first.execution || second.gone != nil || here.launches() != 0 {
		t.Fatalf("it was not adopted: %+v", second.gone)
	}
	if done, err := b.pass(second, 3*multinode.LostAfter, func() { second.beats(0) }); done || err != nil {
		t.Fatalf("a worker that beats was ended: %v", err)
	}
	if done, err := b.pass(second, multinode.LostAfter+multinode.RenewInterval, nil); !done || err != nil {
		t.Fatalf("a silent one was not: %v", err)
	}
	if r := b.record(k); r.Executions[0].Outcome != multinode.OutcomeLost || len(here.stops())+len(there.stops()) != 0 {
		t.Errorf("%+v, stopped %v %v", r, here.stops(), there.stops())
	}
	// Its own place sweeps it up.
	sweep(t, b.dispatcher(there), first)
	if len(there.stops()) != 1 {
		t.Error("the reaper of its place did not stop it")
	}
}

// sweep is a pass of the reaper that finds the lease's worker.
func sweep(t *testing.T, d *Dispatcher, l *lease) {
	t.Helper()
	gentle := newSingles()
	c := d.Provisioner.(*compute)
	d.Provisioner = listed{c, []provision.Worker{{
		ExecutionID: l.execution, ExecutionKey: streams.ExecutionKeyName(l.executionKey()), Started: true, Alive: true,
	}}}
	must(t, d.reapPass(t.Context(), gentle))
	gentle.wait()
	d.Provisioner = c
}

type listed struct {
	*compute
	workers []provision.Worker
}

func (l listed) List(context.Context) ([]provision.Worker, error) { return l.workers, nil }

func TestAnIntentOfAnotherPlaceIsNotLaunchedASecondTime(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	there, here := newCompute("there"), newCompute("here")
	first := b.begun(b.dispatcher(there))
	crash(t, first)
	second := b.begun(b.dispatcher(here))
	if second.execution != first.execution || here.launches() != 0 {
		t.Fatalf("it launched %d workers", here.launches())
	}
	// The worker comes up and is let in by the new owner.
	b.running(second, "w")
	if r := b.record(k); r.Status != multinode.Running || len(r.Executions) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAnIntentOfAnotherPlaceThatComesToNothingIsTakenBack(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	there, here := newCompute("there"), newCompute("here")
	cut := newLease(b.dispatcher(there), b.delivery())
	ctx, crashes := context.WithCancelCause(t.Context())
	there.launch = func(context.Context) error { crashes(errDropped); return ctx.Err() }
	if err := cut.begin(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	crash(t, cut)
	d := b.dispatcher(here)
	adopted := b.begun(d)
	if _, err := b.pass(adopted, multinode.StartDeadline+multinode.RenewInterval, nil); !errors.Is(err, errDropped) {
		t.Fatalf("it waits on: %v", err)
	}
	again := b.begun(d)
	if r := b.record(k); len(r.Executions) != 1 || r.FailedAttempts() != 0 || r.Executions[0].ID != again.execution || r.Executions[0].Place != "here" {
		t.Errorf("%+v", r)
	}
	if here.launches() != 1 {
		t.Errorf("launched %d times", here.launches())
	}
}

func TestADispatcherAtTheSamePlaceAdoptsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		running, alive bool
		launches       int
		lost           bool
	}{
		"a worker that runs":                      {running: true, alive: true, launches: 1},
		"a worker that is starting":               {alive: true, launches: 1},
		"an intent of which nothing is left":      {launches: 2},
		"a worker that ended while nobody looked": {running: true, launches: 1, lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			k := b.accept()
			shared := newCompute("here")
			first := b.begun(b.dispatcher(shared))
			if c.running {
				b.running(first, "w")
			}
			if !c.alive {
				delete(shared.alive, first.execution)
			}
			crash(t, first)
			second := b.begun(b.dispatcher(shared))
			if second.execution != first.execution || shared.launches() != c.launches {
				t.Errorf("launched %d times", shared.launches())
			}
			done, err := second.tend(t.Context(), b.clock.Now())
			must(t, err)
			if lost := b.record(k).FailedAttempts() == 1; done != c.lost || lost != c.lost {
				t.Errorf("ended %v, lost %v", done, lost)
			}
		})
	}
}

// Wall clocks that are a day apart must not end anything.
func TestAnAdopterWithAnotherClockSparesTheWorker(t *testing.T) {
	for name, skew := range map[string]time.Duration{"a day ahead": 24 * time.Hour, "a day behind": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			k := b.accept()
			first := b.begun(b.dispatcher(newCompute("there")))
			b.running(first, "w")
			written := b.record(k).UpdatedAt
			crash(t, first)

			b.clock = newClockAt(b.clock.Now().Add(skew))
			second := b.begun(b.dispatcher(newCompute("here")))
			if done, err := b.pass(second, multinode.LostAfter, nil); done || err != nil || !second.interruptedAt.IsZero() {
				t.Errorf("it was ended: %v", err)
			}
			_, _, err := second.d.Store.PutOutcome(t.Context(), second.executionKey(), multinode.Outcome{Kind: multinode.OutcomeSucceeded})
			must(t, err)
			_, err = second.tend(t.Context(), b.clock.Now())
			must(t, err)
			if r := b.record(k); r.Status != multinode.Succeeded || r.UpdatedAt.Before(written) {
				t.Errorf("%+v was written at %v before", r, written)
			}
		})
	}
}

func TestALaunchAfterTheFenceIsNotLetIn(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	there := newCompute("there")
	paused := newLease(b.dispatcher(there), b.delivery())
	var adopted *lease
	there.launch = func(context.Context) error {
		// While it is paused before the launch, another dispatcher gives the
		// execution up and runs a second one.
		must(t, paused.delivery.Nak(0))
		d := b.dispatcher(newCompute("here"))
		fenced := b.begun(d)
		_, err := b.pass(fenced, multinode.StartDeadline+multinode.RenewInterval, nil)
		if !errors.Is(err, errDropped) {
			t.Errorf("it was not taken back: %v", err)
		}
		adopted = b.begun(d)
		return nil
	}
	must(t, paused.begin(t.Context()))
	call := helloCall{incarnation: "late", answer: make(chan *multinode.Assignment, 1)}
	must(t, paused.welcome(t.Context(), call))
	if a, told := <-call.answer; a != nil || !told {
		t.Errorf("the worker of the fenced execution was answered %v", a)
	}
	if _, err := paused.lookAgain(t.Context()); !errors.Is(err, errDropped) {
		t.Errorf("its lease goes on: %v", err)
	}
	if r := b.record(k); len(r.Executions) != 1 || r.Executions[0].ID != adopted.execution || r.Executions[0].State != multinode.Starting {
		t.Errorf("%+v", r)
	}
	sweep(t, b.dispatcher(there), paused)
	if s := there.stops(); len(s) != 1 || s[0].execution != paused.execution {
		t.Errorf("its reaper stopped %v", s)
	}
}

func TestAWorkerThatWasCalledLostIsToldToLeaveWhenItComesBack(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("there")))
	b.running(l, "w")
	_, err := b.pass(l, multinode.LostAfter+multinode.RenewInterval, nil)
	must(t, err)
	d := b.dispatcher(newCompute("here")) // which never had it
	if a, answered := d.Hello(t.Context(), l.executionKey(), "w"); a != nil || !answered {
		t.Errorf("its hello was answered %v, %v", a, answered)
	}
	d.Beat(l.executionKey(), multinode.Beat{})
	if over, err := d.over(t.Context(), <-d.strangers.queue); err != nil || !over {
		t.Errorf("its beat: %v, %v", over, err)
	}
	// One whose owner is another dispatcher is left alone.
	again := b.begun(b.dispatcher(newCompute("there")))
	if _, answered := d.Hello(t.Context(), again.executionKey(), "w"); answered {
		t.Error("another's worker was answered")
	}
	if over, err := d.over(t.Context(), k.Execution(again.execution)); err != nil || over {
		t.Errorf("another's worker: %v, %v", over, err)
	}
}
