package dispatcher

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/streams/index"
)

// patient has leases run out only after an hour: what comes sooner was called back.
func (b *bench) patient() {
	b.t.Helper()
	js, err := jetstream.New(b.nc)
	must(b.t, err)
	name, err := js.StreamNameBySubject(b.t.Context(), "mn.invoke.>")
	must(b.t, err)
	consumer, err := js.Consumer(b.t.Context(), name, "dispatch")
	must(b.t, err)
	config := consumer.CachedInfo().Config
	config.AckWait = time.Hour
	_, err = js.UpdateConsumer(b.t.Context(), name, config)
	must(b.t, err)
}

// indexed returns a dispatcher that has an index.
func (b *bench) indexed(c *compute) *Dispatcher {
	b.t.Helper()
	records, err := index.Open(filepath.Join(b.t.TempDir(), "index"), b.store, nil)
	must(b.t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(b.t.Context()))
	fed := make(chan error, 1)
	go func() { fed <- records.Run(ctx) }()
	b.t.Cleanup(func() {
		stop()
		_, _ = <-fed, records.Close()
	})
	must(b.t, records.Ready(b.t.Context()))
	d := b.dispatcher(c)
	d.Index = records
	return d
}

// naks gets the answers by which requests are given back from now on.
func (b *bench) naks() <-chan string {
	b.t.Helper()
	naks := make(chan string, 100)
	sub, err := b.nc.Subscribe("$JS.ACK.>", func(m *nats.Msg) {
		if strings.HasPrefix(string(m.Data), "-NAK {") {
			naks <- string(m.Data)
		}
	})
	must(b.t, err)
	b.t.Cleanup(func() { _ = sub.Unsubscribe() })
	return naks
}

func TestAnOutcomeWithoutAnOwnerIsSettledAndItsRequestCalledBack(t *testing.T) {
	for kind, status := range map[multinode.OutcomeKind]multinode.Status{
		multinode.OutcomeSucceeded: multinode.Succeeded, multinode.OutcomeFailed: multinode.Pending,
	} {
		b := newBench(t)
		b.patient()
		k := b.accept()
		dead := b.begun(b.dispatcher(newCompute("there")))
		b.running(dead, "w")
		d := b.indexed(newCompute("here"))
		ctx, stop := context.WithCancel(t.Context())
		settling := make(chan error, 1)
		go func() { settling <- d.settleUnowned(ctx) }()
		_, _, err := b.store.PutOutcome(t.Context(), dead.executionKey(), multinode.Outcome{Kind: kind})
		must(t, err)
		d.outcomeStored(dead.executionKey())
		must(t, b.clock.BlockUntilContext(t.Context(), 1)) // it is left to its owner for a while
		b.clock.Advance(ownerPatience)
		again := newLease(d, b.delivery())
		if r := b.record(k); r.Status != status || len(r.Executions) != 1 || r.Executions[0].Outcome != kind {
			t.Errorf("%+v", r)
		}
		if err := again.begin(t.Context()); (status == multinode.Pending) != (err == nil) || err != nil && !errors.Is(err, errDropped) {
			t.Errorf("after %s: %v", kind, err)
		}
		stop()
		must(t, <-settling)
		d.running.Wait()
	}
}

func TestAnOutcomeIsLeftToItsOwner(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	owner := b.begun(b.dispatcher(newCompute("there")))
	b.running(owner, "w")
	d := b.indexed(newCompute("here"))
	naks := b.naks()
	_, _, err := b.store.PutOutcome(t.Context(), owner.executionKey(), multinode.Outcome{Kind: multinode.OutcomeFailed})
	must(t, err)
	if done, err := owner.settleIfStored(t.Context()); !done || err != nil {
		t.Fatal(err)
	}
	<-naks // the owner's
	revision, err := b.store.RecordsRevision(t.Context())
	must(t, err)
	if settled, err := d.settleFor(t.Context(), owner.executionKey()); !settled || err != nil {
		t.Errorf("%v, %v", settled, err)
	}
	must(t, b.nc.Flush())
	if after, err := b.store.RecordsRevision(t.Context()); err != nil || after != revision || len(naks) != 0 {
		t.Errorf("it was settled a second time: %+v, %v", b.record(k), err)
	}
}

// A dispatcher is killed, and started again.
func TestWhatAKilledDispatcherLeftIsPickedUpAtTheStart(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.MaxConcurrency = 4 })
	b.patient()
	here := newCompute("here")
	killed := b.dispatcher(here)
	runs, ended, failed := b.accept(), b.accept(), b.accept()
	leases := map[multinode.InvocationKey]*lease{}
	for range 3 {
		l := b.begun(killed)
		b.running(l, "w")
		leases[l.key] = l
	}
	for k, kind := range map[multinode.InvocationKey]multinode.OutcomeKind{ended: multinode.OutcomeSucceeded, failed: multinode.OutcomeFailed} {
		_, _, err := b.store.PutOutcome(t.Context(), leases[k].executionKey(), multinode.Outcome{Kind: kind})
		must(t, err)
	}
	next := b.indexed(here)
	_, err := next.pickUpPass(t.Context(), nil)
	must(t, err)
	if r := b.record(ended); r.Status != multinode.Succeeded {
		t.Errorf("what ended while nobody listened: %+v", r)
	}
	for range 3 {
		l := newLease(next, b.delivery())
		err := l.begin(t.Context())
		switch x, _ := b.record(l.key).Latest(); l.key {
		case runs:
			if err != nil || l.execution != leases[runs].execution {
				t.Errorf("what runs was not adopted: %v", err)
			}
		case ended:
			if !errors.Is(err, errDropped) {
				t.Errorf("what has ended went on: %v", err)
			}
		case failed:
			if err != nil || x.ID == leases[failed].execution {
				t.Errorf("what failed was not tried again: %v", err)
			}
		}
	}
	next.running.Wait()
}

func TestWhatADispatcherHoldsIsNotPickedUp(t *testing.T) {
	b := newBench(t)
	b.accept()
	owner := b.dispatcher(newCompute("there"))
	l := b.begun(owner)
	b.running(l, "w")
	owner.all[l.key] = l
	must(t, b.store.ServeLeases(t.Context(), owner.holds))
	naks := b.naks()
	_, err := b.indexed(newCompute("here")).pickUpPass(t.Context(), nil)
	must(t, err)
	must(t, b.nc.Flush())
	if len(naks) != 0 {
		t.Error("it was taken from its owner")
	}
}

// Where the server's clock was set back, leases run out hours later.
func TestWhatNobodyHoldsAtTwoLooksIsDeliveredAgain(t *testing.T) {
	b := newBench(t)
	b.patient()
	b.accept()
	dead := b.begun(b.dispatcher(newCompute("there")))
	b.running(dead, "w")
	naks := b.naks()
	d := b.indexed(newCompute("here"))
	unheld, err := d.pickUpPass(t.Context(), map[multinode.InvocationKey]bool{})
	must(t, err)
	must(t, b.nc.Flush())
	if len(naks) != 0 || !unheld[dead.key] {
		t.Errorf("after one look %d were called back, unheld are %v", len(naks), unheld)
	}
	_, err = d.pickUpPass(t.Context(), unheld)
	must(t, err)
	if l := b.begun(d); l.execution != dead.execution {
		t.Error("it was not adopted")
	}
}

func TestWhatIsCancelledBetweenTriesFreesItsSlot(t *testing.T) {
	b := newBench(t)
	b.patient()
	d := b.indexed(newCompute("here"))
	between, waiting := b.accept(), b.accept()
	naks := b.naks()
	b.ends(b.begun(d), multinode.OutcomeFailed)
	<-naks // the pause before the next try
	for _, k := range []multinode.InvocationKey{between, waiting} {
		_, _, err := b.store.RequestCancel(t.Context(), k)
		must(t, err)
		_, err = d.cancelChildren(t.Context(), k)
		must(t, err)
	}
	<-naks
	must(t, b.nc.Flush())
	if len(naks) != 0 {
		t.Error("what has yet to be delivered was called back, too")
	}
}
