package dispatcher

import (
	"context"
	"errors"
	"testing"
	"time"

	"multinode"
)

// adopted crashes the lease and returns the one of a dispatcher at the same place
// that adopts it after that time.
func (b *bench) adopted(l *lease, later time.Duration) *lease {
	b.t.Helper()
	crash(b.t, l)
	b.clock.Advance(later)
	next := b.begun(b.dispatcher(l.d.Provisioner.(*compute)))
	if next.execution != l.execution {
		b.t.Fatalf("%s was not adopted", l.execution)
	}
	return next
}

func TestBeatsAreNoAnnouncement(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	if _, err := b.pass(l, multinode.StartDeadline, func() { l.beats(0) }); err != nil {
		t.Fatalf("it was ended too soon: %v", err)
	}
	if _, err := b.pass(l, multinode.RenewInterval, func() { l.beats(0) }); !errors.Is(err, errDropped) {
		t.Fatalf("it holds its slot by beats: %v", err)
	}
	if r := b.record(k); r.Status != multinode.Pending || len(r.Executions) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestAnAdopterDoesNotCountTheStartAnew(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	first := b.begun(b.dispatcher(newCompute("here")))
	second := b.adopted(first, multinode.StartDeadline)
	beats := func() { second.beats(0) }
	if _, err := b.pass(second, leastWait, beats); err != nil {
		t.Fatalf("it was given no time at all: %v", err)
	}
	if _, err := b.pass(second, multinode.RenewInterval, beats); !errors.Is(err, errDropped) {
		t.Fatalf("it holds its slot by beats: %v", err)
	}
	if r := b.record(k); r.Status != multinode.Pending || len(r.Executions) != 0 {
		t.Errorf("%+v", r)
	}
}

// A worker that says for ever that its code has just begun gets no more than its time
// twice, however many dispatchers come and go.
func TestNoAdopterCountsTheTimeOfCodeAnewASecondTime(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	look := func(l *lease) {
		t.Helper()
		l.beats(0)
		b.clock.Advance(multinode.RenewInterval)
		if done, err := l.tend(t.Context(), b.clock.Now()); done || err != nil {
			t.Fatalf("it was ended: %v", err)
		}
	}
	l = b.adopted(l, 2*time.Hour) // or a clock was set
	look(l)
	live, _ := b.record(k).Live()
	if live.DoubtedAt == nil || live.Interrupt != "" {
		t.Fatalf("%+v", live)
	}
	l = b.adopted(l, time.Minute)
	look(l)
	if live, _ = b.record(k).Live(); live.Interrupt != "" {
		t.Fatalf("it did not get its time once more: %+v", live)
	}
	l = b.adopted(l, 2*time.Hour)
	look(l)
	if live, _ = b.record(k).Live(); live.Interrupt != multinode.TimeOut {
		t.Errorf("it holds its slot by beats: %+v", live)
	}
}

func TestTheTimeThatIsCountedOnceMoreEnds(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	l = b.adopted(l, 2*time.Hour)
	_, err := b.pass(l, time.Hour+multinode.StartDeadline+6*multinode.RenewInterval, func() { l.beats(0) })
	must(t, err)
	if live, _ := b.record(k).Live(); live.Interrupt != multinode.TimeOut {
		t.Errorf("%+v", live)
	}
}

func TestAnAdopterDoesNotCountTheGraceAnew(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	_, _, err := b.store.RequestCancel(t.Context(), k)
	must(t, err)
	_, err = l.lookAgain(t.Context())
	must(t, err)
	l = b.adopted(l, time.Hour)
	beats := func() { l.beats(0) }
	if done, err := b.pass(l, leastWait, beats); done || err != nil {
		t.Fatalf("it was given no time at all: %v", err)
	}
	if done, err := b.pass(l, clockMargin+multinode.RenewInterval, beats); !done || err != nil {
		t.Fatalf("it holds its slot by beats: %v", err)
	}
	if r := b.record(k); r.Status != multinode.Cancelled {
		t.Errorf("%+v", r)
	}
}

func TestWhoBeatsInThePlaceOfAWorkerThatIsGoneHoldsNoSlot(t *testing.T) {
	b := newBench(t)
	b.accept()
	c := newCompute("here")
	l := b.begun(b.dispatcher(c))
	b.running(l, "w")
	beats := func() { l.beats(0) }
	must(t, l.d.reapPass(t.Context(), newSingles()))
	if done, err := b.pass(l, multinode.RenewInterval, beats); done || err != nil {
		t.Fatalf("it was ended: %v", err)
	}
	delete(c.alive, l.execution) // and nobody is told
	must(t, l.d.reapPass(t.Context(), newSingles()))
	if done, err := b.pass(l, multinode.RenewInterval, beats); !done || err != nil {
		t.Fatalf("it holds its slot by beats: %v", err)
	}
	if o := b.outcome(l); o.Kind != multinode.OutcomeLost {
		t.Errorf("%+v", o)
	}
}

// A list that lags is no proof.
func TestAWorkerThatIsMissingFromAListIsAskedFor(t *testing.T) {
	b := newBench(t)
	b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	l.d.noteMissing(nil)
	if done, err := b.pass(l, multinode.RenewInterval, func() { l.beats(0) }); done || err != nil {
		t.Errorf("it was ended: %v", err)
	}
}

func TestALaunchThatHangsIsPutOff(t *testing.T) {
	b := newBench(t)
	k, c := b.accept(), newCompute("here")
	launching := make(chan struct{})
	c.launch = func(ctx context.Context) error { close(launching); <-ctx.Done(); return ctx.Err() }
	l := newLease(b.dispatcher(c), b.delivery())
	done := make(chan error)
	go func() { done <- l.begin(t.Context()) }()
	<-launching
	b.clock.Advance(multinode.StartDeadline)
	if err := <-done; !errors.Is(err, errDropped) {
		t.Errorf("it ended with %v", err)
	}
	if r := b.record(k); r.Status != multinode.Pending || len(r.Executions) != 0 {
		t.Errorf("%+v", r)
	}
}
