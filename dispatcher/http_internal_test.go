package dispatcher

import (
	"testing"
	"time"

	"multinode"
)

// overHTTP lets a worker in as a gateway does.
func (b *bench) overHTTP(l *lease) {
	b.t.Helper()
	_, _, err := b.store.Apply(b.t.Context(), l.key,
		multinode.WorkerStarted{Execution: l.execution, Incarnation: multinode.NewHTTPIncarnation(), At: b.clock.Now()})
	must(b.t, err)
	_, err = l.lookAgain(b.t.Context())
	must(b.t, err)
}

func TestSilenceOfAWorkerOverHTTPNeverCounts(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.Timeout = 24 * time.Hour })
	b.accept()
	c := newCompute("here")
	l := b.begun(b.dispatcher(c))
	b.overHTTP(l)
	if done, err := b.pass(l, 4*multinode.LostAfter, nil); done || err != nil {
		t.Fatalf("it was ended: %v", err)
	}
	// Its lease is the provisioner's word.
	c.alive[l.execution] = false
	if done, err := b.pass(l, multinode.RenewInterval, nil); !done || err != nil {
		t.Fatalf("it was not ended: %v", err)
	}
	if o := b.outcome(l); o.Kind != multinode.OutcomeLost {
		t.Errorf("%+v", o)
	}
}

func TestAWorkerOverHTTPIsTimedFromItsStartAlsoByTheNextDispatcher(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	first := b.begun(b.dispatcher(c))
	b.overHTTP(first)
	_, err := b.pass(first, time.Hour-time.Minute, nil)
	must(t, err)
	crash(t, first)
	second := b.begun(b.dispatcher(c))
	if done, err := b.pass(second, time.Minute, nil); done || err != nil || !second.interruptedAt.IsZero() {
		t.Fatalf("it was interrupted too soon: %v", err)
	}
	_, err = b.pass(second, multinode.RenewInterval, nil)
	must(t, err)
	if latest, _ := b.record(k).Latest(); latest.Interrupt != multinode.TimeOut {
		t.Fatalf("%+v", latest)
	}
	second.d.running.Wait()
	if s := c.stops(); len(s) != 1 || s[0].grace != multinode.Grace {
		t.Errorf("stopped %v", s)
	}
	if !b.record(k).Status.Terminal() { // the worker's end may have been seen already
		second.gone = ptr(<-second.exited)
		if done, err := second.workerExited(t.Context()); !done || err != nil {
			t.Errorf("%v, %v", done, err)
		}
	}
	if s := b.record(k).Status; s != multinode.TimedOut {
		t.Errorf("it is %s", s)
	}
}

func ptr[T any](v T) *T { return &v }

func TestTheReaperInterruptsAWorkerOverHTTPForADispatcherElsewhere(t *testing.T) {
	b := newBench(t)
	b.accept()
	there, here := newCompute("there"), newCompute("here")
	first := b.begun(b.dispatcher(there))
	b.overHTTP(first)
	crash(t, first)
	second := b.begun(b.dispatcher(here))
	sweep(t, b.dispatcher(there), second)
	if len(there.stops()) != 0 {
		t.Fatal("it was stopped without a reason")
	}
	_, _, err := b.store.RequestCancel(t.Context(), second.key)
	must(t, err)
	_, err = b.pass(second, multinode.RenewInterval, nil)
	must(t, err)
	sweep(t, b.dispatcher(there), second)
	if s := there.stops(); len(s) != 1 || s[0].grace != multinode.Grace || len(here.stops()) != 0 {
		t.Errorf("stopped %v there and %v here", s, here.stops())
	}
}

func TestNoWorkerClaimsToHaveNothingButHTTP(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	call := helloCall{incarnation: multinode.NewHTTPIncarnation(), answer: make(chan *multinode.Assignment, 1)}
	must(t, l.welcome(t.Context(), call))
	if a, told := <-call.answer; a != nil || !told {
		t.Errorf("it was answered %v", a)
	}
	if live, _ := b.record(k).Live(); live.State != multinode.Starting {
		t.Errorf("%+v", live)
	}
}
