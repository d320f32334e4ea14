package dispatcher

import (
	"errors"
	"testing"

	"multinode"
)

// requota brings the function's quota to the limit, as a new version does.
func (b *bench) requota(limit int) {
	b.t.Helper()
	v := b.version
	v.ID, v.CreatedAt = multinode.NewID(multinode.VersionPrefix), b.clock.Now()
	v.Functions = []multinode.FunctionSpec{v.Functions[0]}
	v.Functions[0].MaxConcurrency = limit
	must(b.t, b.store.CreateVersion(b.t.Context(), v, nil))
	must(b.t, b.store.Activate(b.t.Context(), v))
	b.version = v
}

// ends settles the lease's execution by that outcome.
func (b *bench) ends(l *lease, kind multinode.OutcomeKind) {
	b.t.Helper()
	_, _, err := b.store.PutOutcome(b.t.Context(), l.executionKey(), multinode.Outcome{Kind: kind})
	must(b.t, err)
	if done, err := l.settleIfStored(b.t.Context()); !done || err != nil {
		b.t.Fatalf("not settled: %v", err)
	}
	l.d.forget(l)
}

// begins begins what is delivered next and tells whether it got a slot.
func (b *bench) begins(d *Dispatcher) (*lease, bool) {
	b.t.Helper()
	l := newLease(d, b.delivery())
	err := l.begin(b.t.Context())
	if err != nil && !errors.Is(err, errDropped) {
		b.t.Fatal(err)
	}
	return l, err == nil
}

func TestALoweredQuotaHoldsForWhatHadBeenDelivered(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.MaxConcurrency = 3 })
	d := b.indexed(newCompute("here"))
	retried := b.accept()
	b.accept()
	b.accept()
	var leases []*lease
	for range 3 {
		l := b.begun(d)
		b.running(l, "w")
		leases = append(leases, l)
	}
	b.requota(1)
	b.ends(leases[0], multinode.OutcomeFailed) // and is to be tried again
	if _, got := b.begins(d); got {
		t.Fatal("it was tried again beside two others")
	}
	if r := b.record(retried); r.Status != multinode.Pending || len(r.Executions) != 1 {
		t.Errorf("%+v", r)
	}
	b.ends(leases[1], multinode.OutcomeSucceeded)
	if _, got := b.begins(d); got {
		t.Fatal("it was tried again beside another")
	}
	b.ends(leases[2], multinode.OutcomeSucceeded)
	if l, got := b.begins(d); !got || l.key != retried {
		t.Error("it was not tried again when its turn came")
	}
	d.running.Wait()
}

func TestOfTwoThatHadBeenDeliveredTheEarlierOneGoesFirst(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.MaxConcurrency = 2 })
	// Two dispatchers, each of which knows nothing of what the other is about to do.
	one, other := b.indexed(newCompute("one")), b.indexed(newCompute("other"))
	earlier, later := b.accept(), b.accept()
	leases := map[multinode.InvocationKey]*lease{}
	for range 2 {
		l := b.begun(one)
		b.running(l, "w")
		leases[l.key] = l
	}
	b.requota(1)
	b.ends(leases[earlier], multinode.OutcomeFailed)
	b.ends(leases[later], multinode.OutcomeFailed)
	first, second := newLease(one, b.delivery()), newLease(other, b.delivery())
	for _, l := range []*lease{first, second} {
		crowded, err := l.crowded(t.Context())
		must(t, err)
		if crowded != (l.key == later) {
			t.Errorf("%s is told that it is crowded: %v", l.key.ID, crowded)
		}
	}
}

func TestARaisedQuotaHoldsAtOnce(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.MaxConcurrency = 2 })
	d := b.indexed(newCompute("here"))
	b.accept()
	b.accept()
	first, second := b.begun(d), b.begun(d)
	b.running(first, "w")
	b.running(second, "w")
	b.requota(1)
	b.ends(first, multinode.OutcomeFailed)
	if _, got := b.begins(d); got {
		t.Fatal("it was tried again beside another")
	}
	b.requota(2)
	if l, got := b.begins(d); !got || l.key != first.key {
		t.Error("there is room for it")
	}
	d.running.Wait()
}

// What is live is nobody's to put back, however crowded it is.
func TestWhatIsLiveIsAdoptedInACrowd(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.MaxConcurrency = 2 })
	d := b.indexed(newCompute("here"))
	b.accept()
	b.accept()
	first, second := b.begun(d), b.begun(d)
	b.running(first, "w")
	b.running(second, "w")
	b.requota(1)
	crash(t, second)
	if l, got := b.begins(d); !got || l.execution != second.execution {
		t.Error("it was not adopted")
	}
}
