package dispatcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// unanswered is how many requests are delivered and not answered for good.
func (b *bench) unanswered() int {
	b.t.Helper()
	js, err := jetstream.New(b.nc)
	must(b.t, err)
	name, err := js.StreamNameBySubject(b.t.Context(), "mn.invoke.>")
	must(b.t, err)
	stream, err := js.Stream(b.t.Context(), name)
	must(b.t, err)
	count := 0
	for info := range stream.ListConsumers(b.t.Context()).Info() {
		count += info.NumAckPending
	}
	return count
}

// A request that is acknowledged for good never comes again: what is to be tried once
// more is put back, and keeps its slot.
func TestWhatIsToBeTriedAgainIsPutBack(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	d := b.dispatcher(newCompute("here"))
	for try, left := range []int{1, 0} { // with one retry
		l := b.begun(d)
		b.running(l, "w")
		_, _, err := b.store.PutOutcome(t.Context(), l.executionKey(), multinode.Outcome{Kind: multinode.OutcomeFailed})
		must(t, err)
		if done, err := l.settleIfStored(t.Context()); !done || err != nil {
			t.Fatal(err)
		}
		d.running.Wait()
		d.forget(l)
		if n := b.unanswered(); n != left {
			t.Fatalf("after try %d there are %d unanswered requests, not %d", try+1, n, left)
		}
	}
	if r := b.record(k); r.Status != multinode.Failed || len(r.Executions) != 2 {
		t.Errorf("%+v", r)
	}
}

// An interrupt that gets lost on its way is said again until the worker has confirmed
// it, and stays the answer to its beats.
func TestAnInterruptIsSaidAgain(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	d := b.dispatcher(newCompute("here"))
	l := b.begun(d)
	b.running(l, "w")
	told := make(chan string, 16)
	_, err := b.nc.Subscribe("mn.worker.tell.>", func(m *nats.Msg) {
		if strings.HasSuffix(m.Subject, "."+l.execution) {
			told <- string(m.Data)
		}
	})
	must(t, err)
	must(t, b.nc.Flush())
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	go func() { watched <- l.watch(ctx) }()
	defer func() {
		stop()
		if err := <-watched; !errors.Is(err, context.Canceled) {
			t.Errorf("the watch ended: %v", err)
		}
	}()
	_, _, err = b.store.RequestCancel(t.Context(), k)
	must(t, err)
	notice(l.look, struct{}{})
	for range 3 {
		select {
		case said := <-told:
			if said != string(multinode.Cancel) {
				t.Errorf("it was told %q", said)
			}
		case <-time.After(time.Minute): // on the real clock; a second has gone by on the other
			t.Fatal("it was not told again")
		}
		must(t, b.clock.BlockUntilContext(t.Context(), 2)) // the ticks of watch
		b.clock.Advance(remindInterval)
	}
	if answer, ok := d.Beat(l.executionKey(), multinode.Beat{}); !ok || answer != multinode.Cancel {
		t.Errorf("a beat is answered %q", answer)
	}
}
