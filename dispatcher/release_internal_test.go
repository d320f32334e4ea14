package dispatcher

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"multinode"
	"multinode/streams/index"
)

// A dispatcher is stopped while a worker that is done ends by itself: the next one's
// first pass sweeps it up.
func TestAWorkerThatIsDoneIsSweptUpByTheNextStart(t *testing.T) {
	b := newBench(t)
	k, c := b.accept(), newCompute("here")
	c.stopping = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	d := b.dispatcher(c)
	l := b.begun(d)
	b.running(l, "w")
	var stop context.CancelFunc
	l.beyond, stop = context.WithCancel(t.Context())
	_, _, err := b.store.PutOutcome(t.Context(), l.executionKey(), multinode.Outcome{Kind: multinode.OutcomeSucceeded})
	must(t, err)
	if done, err := l.settleIfStored(t.Context()); !done || err != nil { // the answer does not wait
		t.Fatal(err)
	}
	stop()
	d.running.Wait()
	if r := b.record(k); r.Status != multinode.Succeeded || len(c.stops()) != 0 {
		t.Fatalf("%s, stopped %v", r.Status, c.stops())
	}
	c.stopping = nil
	sweep(t, b.dispatcher(c), l)
	if s := c.stops(); len(s) != 1 || s[0].execution != l.execution {
		t.Errorf("stopped %v", s)
	}
}

// Between the verdict on code that ignores its interrupt and the stop of its worker
// a dispatcher crashes: the slot is not free before the next one has stopped it.
func TestASlotWaitsForAWorkerThatMayHaveBeenGivenUp(t *testing.T) {
	b := newBench(t)
	k, c := b.accept(), newCompute("here")
	first := b.begun(b.dispatcher(c))
	b.running(first, "w")
	_, _, err := b.store.RequestCancel(t.Context(), k)
	must(t, err)
	_, err = first.lookAgain(t.Context())
	must(t, err)
	_, err = first.putVerdict(t.Context(), multinode.OutcomeCancelled, "it did not stop")
	must(t, err)
	crash(t, first)

	second := b.begun(b.dispatcher(c))
	failure := errors.New("not yet")
	c.stopping = func(context.Context) error { return failure }
	if done, err := second.settleIfStored(t.Context()); done || !errors.Is(err, failure) {
		t.Errorf("the request was answered while the worker ran: %v", err)
	}
	c.stopping = nil
	if done, err := second.settleIfStored(t.Context()); !done || err != nil || len(c.stops()) != 1 {
		t.Errorf("stopped %v: %v", c.stops(), err)
	}
}

func TestWhatIsKilledIsStoppedAtOnce(t *testing.T) {
	for _, kind := range []multinode.OutcomeKind{multinode.OutcomeCancelled, multinode.OutcomeTimedOut, multinode.OutcomeLost} {
		b := newBench(t)
		b.accept()
		c := newCompute("here")
		l := b.begun(b.dispatcher(c))
		b.running(l, "w")
		must(t, l.kill(t.Context(), kind, "it did not stop"))
		if s := c.stops(); len(s) != 1 || s[0].grace != 0 {
			t.Errorf("after %s stopped %v", kind, s)
		}
	}
}

// An index that lags must not keep a cancel from the children that it knows, nor
// other cancels from theirs.
func TestACancelIsCarriedPastAnIndexThatLags(t *testing.T) {
	b := newBench(t)
	parent := b.parent()
	record := func() multinode.InvocationKey {
		k := b.accept(multinode.Ancestor{Function: parent.Function, ID: parent.ID})
		_, _, err := b.store.Record(t.Context(), k)
		must(t, err)
		return k
	}
	known := record()
	records, err := index.Open(filepath.Join(t.TempDir(), "index"), b.store, nil)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	fed := make(chan error, 1)
	go func() { fed <- records.Run(ctx) }()
	must(t, records.Ready(t.Context()))
	stop()
	if err := <-fed; !errors.Is(err, context.Canceled) {
		must(t, err)
	}
	t.Cleanup(func() { _ = records.Close() })
	unknown := record()
	d := b.dispatcher(newCompute("here"))
	d.Index = records
	_, _, err = b.store.RequestCancel(t.Context(), parent)
	must(t, err)
	if _, err := d.cancelChildren(t.Context(), parent); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it is not tried again: %v", err)
	}
	if b.record(known).CancelRequestedAt == nil || b.record(unknown).CancelRequestedAt != nil {
		t.Errorf("%+v, %+v", b.record(known), b.record(unknown))
	}
}
