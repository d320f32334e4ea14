package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"multinode"
)

// family makes a parent with so many waiting children, and cancels it.
func (b *bench) family(children int) (parent multinode.InvocationKey, keys []multinode.InvocationKey) {
	b.t.Helper()
	parent = b.parent()
	for n := range children {
		k := multinode.InvocationKey{Project: "p", Generation: b.project.Generation, Function: "fn", ID: fmt.Sprintf("%s-%d", parent.ID, n)}
		_, _, err := b.store.Apply(b.t.Context(), k, multinode.Accepted{
			Key: k, Lineage: []multinode.Ancestor{{Function: parent.Function, ID: parent.ID}}, Sequence: 1, At: b.clock.Now(),
		})
		must(b.t, err)
		keys = append(keys, k)
	}
	_, _, err := b.store.RequestCancel(b.t.Context(), parent)
	must(b.t, err)
	return parent, keys
}

func (b *bench) cancelled(keys []multinode.InvocationKey) int {
	b.t.Helper()
	n := 0
	for _, k := range keys {
		if b.record(k).Status == multinode.Cancelled {
			n++
		}
	}
	return n
}

func TestAWideCancelLetsOthersHaveTheirTurn(t *testing.T) {
	b := newBench(t)
	d := b.indexed(newCompute("here"))
	wide, many := b.family(cancelTurn + 5)
	narrow, few := b.family(3)
	if _, err := d.cancelChildren(t.Context(), wide); !errors.Is(err, errTurnOver) {
		t.Fatalf("it went on without a pause: %v", err)
	}
	if n := b.cancelled(many); n != cancelTurn {
		t.Errorf("%d were cancelled in one turn", n)
	}
	if _, err := d.cancelChildren(t.Context(), narrow); err != nil || b.cancelled(few) != len(few) {
		t.Errorf("%d of %d: %v", b.cancelled(few), len(few), err)
	}
	if _, err := d.cancelChildren(t.Context(), wide); err != nil || b.cancelled(many) != len(many) {
		t.Errorf("%d of %d in the end: %v", b.cancelled(many), len(many), err)
	}
}

func TestCancelsComeInTheirOrderAndWhatFollowsFromThemApart(t *testing.T) {
	b := newBench(t)
	d := b.dispatcher(newCompute("here"))
	keys := make([]multinode.InvocationKey, 50)
	for n := range keys {
		keys[n].ID = fmt.Sprint(n)
		d.cancelHinted(keys[n], n%2 == 1)
		d.cancelHinted(keys[n], n%2 == 1) // each is looked at once
	}
	for n, k := range keys {
		queue := d.cancels
		if n%2 == 1 {
			queue = d.passing
		}
		if got, ok := queue.next(t.Context()); !ok || got != k {
			t.Errorf("%v came in the place of %v", got.ID, k.ID)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, queue := range []*cancelQueue{d.cancels, d.passing} {
		if k, ok := queue.next(ctx); ok {
			t.Errorf("%v came twice", k.ID)
		}
	}
}

func TestACancelThatIsPassedOnSaysSo(t *testing.T) {
	b := newBench(t)
	type hint struct {
		k      multinode.InvocationKey
		passed bool
	}
	hints := make(chan hint, 10)
	must(t, b.store.FollowCancels(t.Context(), func(k multinode.InvocationKey, passed bool) { hints <- hint{k, passed} }))
	d := b.indexed(newCompute("here"))
	parent, children := b.family(1)
	_, err := d.cancelChildren(t.Context(), parent)
	must(t, err)
	for _, want := range []hint{{parent, false}, {children[0], true}} {
		if got := <-hints; got != want {
			t.Errorf("the hint was %+v", got)
		}
	}
}
