package dispatcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

// week is the retention of these tests.
const week = 7 * 24 * time.Hour

func newRetaining(t *testing.T) *unrecorded {
	t.Helper()
	u := newUnrecorded(t)
	u.d.Clock, u.d.Retention = newClockAt(time.Now().Add(week)), week
	return u
}

// ended makes an invocation that ended so long ago.
func (u *unrecorded) ended(ago time.Duration, input string, lineage ...multinode.Ancestor) multinode.InvocationKey {
	u.t.Helper()
	k := u.started(ago, input, lineage...)
	u.cancel(k, ago)
	return k
}

func (u *unrecorded) started(ago time.Duration, input string, lineage ...multinode.Ancestor) multinode.InvocationKey {
	u.t.Helper()
	r := streams.Request{Key: u.keys[0], Input: []byte(`[["` + input + `"], {}]`), Lineage: lineage}
	r.Key.ID = multinode.NewID(multinode.InvocationPrefix)
	var err error
	r.Sequence, err = u.d.Store.Accept(u.t.Context(), r)
	must(u.t, err)
	r.Time = u.d.now().Add(-ago)
	_, _, err = u.d.Store.EnsureRecord(u.t.Context(), r)
	must(u.t, err)
	return r.Key
}

func (u *unrecorded) cancel(k multinode.InvocationKey, ago time.Duration) {
	u.t.Helper()
	_, _, err := u.d.Store.Apply(u.t.Context(), k, multinode.CancelRequested{At: u.d.now().Add(-ago)})
	must(u.t, err)
}

// forget is one pass, with everything written so far in the index.
func (u *unrecorded) forget() int {
	u.t.Helper()
	u.listed(0)
	n, err := u.d.forgetFinished(u.t.Context(), true)
	must(u.t, err)
	return n
}

// kept tells whether anything is left of an invocation.
func (u *unrecorded) kept(k multinode.InvocationKey) bool {
	u.t.Helper()
	_, _, record := u.d.Store.Record(u.t.Context(), k)
	_, request := u.d.Store.Request(u.t.Context(), k)
	if errors.Is(record, streams.ErrNotFound) && errors.Is(request, streams.ErrNotFound) {
		return false
	}
	must(u.t, errors.Join(record, request))
	return true
}

func TestWhatEndedLongAgoGoesAndNothingElse(t *testing.T) {
	u := newRetaining(t)
	old, recent := u.ended(week+time.Second, "old"), u.ended(week-time.Minute, "recent")
	waiting := u.started(10*week, "waiting") // it has not ended, whatever its age
	if n := u.forget(); n != 1 || u.kept(old) || !u.kept(recent) || !u.kept(waiting) {
		t.Errorf("%d are gone; kept: old %v, recent %v, waiting %v", n, u.kept(old), u.kept(recent), u.kept(waiting))
	}
	u.listed(0)
	k := u.keys[0]
	counts, err := u.d.Index.Counts(k.Project, k.Generation, k.Function)
	if must(t, err); counts[multinode.Cancelled] != 1 || counts[multinode.Pending] != 1 {
		t.Errorf("counted %v", counts)
	}
	if n := u.forget(); n != 0 {
		t.Errorf("a second pass deleted %d", n)
	}
}

func TestKeptForGood(t *testing.T) {
	u := newRetaining(t)
	u.d.Retention = 0
	if k := u.ended(100*week, "old"); u.forget() != 0 || !u.kept(k) {
		t.Error("it has gone")
	}
}

func TestAnInvocationStaysWhileAnyThatItStartedIsKnown(t *testing.T) {
	u := newRetaining(t)
	root := u.ended(3*week, "root")
	above := []multinode.Ancestor{{Function: root.Function, ID: root.ID}}
	middle := u.ended(3*week, "middle", above...)
	above = append(above, multinode.Ancestor{Function: middle.Function, ID: middle.ID})
	leaf := u.started(3*week, "leaf", above...)
	for range 2 {
		if n := u.forget(); n != 0 || !u.kept(root) || !u.kept(middle) {
			t.Fatal("the ancestors of an unfinished invocation are gone")
		}
	}
	u.cancel(leaf, 2*week)
	// From the leaves up; a pass may get further than one generation.
	for range 3 {
		u.forget()
		if u.kept(leaf) && !u.kept(middle) || u.kept(middle) && !u.kept(root) {
			t.Fatal("an ancestor went first")
		}
	}
	if u.kept(leaf) || u.kept(middle) || u.kept(root) {
		t.Error("not all are gone after three passes")
	}
}

func TestAboveASizeThoseGoThatEndedFirst(t *testing.T) {
	u := newRetaining(t)
	input := strings.Repeat("x", 200_000)
	var keys []multinode.InvocationKey
	for i := range 2 * retentionBatch {
		keys = append(keys, u.ended(time.Hour-time.Duration(i)*time.Second, input))
	}
	u.d.RetentionBytes = int64(retentionBatch * len(input) * 3 / 2)
	if n := u.forget(); n != retentionBatch || u.kept(keys[n-1]) || !u.kept(keys[n]) {
		t.Errorf("%d of them are gone", n)
	}
	held, err := u.d.Store.Held(t.Context())
	if must(t, err); held > uint64(u.d.RetentionBytes) {
		t.Errorf("%d bytes are still held", held)
	}
	if n := u.forget(); n != 0 {
		t.Errorf("%d more are gone", n)
	}
	u.d.RetentionBytes = 1
	fresh := u.ended(0, input)
	if u.forget(); !u.kept(fresh) {
		t.Error("what has just ended is gone: nobody has seen its result")
	}
}

func TestRetentionGoesByItself(t *testing.T) {
	u := newRetaining(t)
	clock := newClockAt(u.d.now())
	u.d.Clock = clock
	k := u.ended(0, "x")
	u.listed(0)
	entries, stop := u.d.Index.Subscribe(k)
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- u.d.retain(ctx) }()
	must(t, clock.BlockUntilContext(ctx, 2)) // it has the claim, and waits
	clock.Advance(week)
	if e := <-entries; e.Status != "" || u.kept(k) {
		t.Errorf("a week later it is %q", e.Status)
	}
	cancel()
	must(t, <-ended)
	if holder, _, err := u.d.Store.Claim(t.Context(), retentionClaim); err != nil || holder != "" {
		t.Errorf("%q still has the claim, %v", holder, err)
	}
}

// TestARecordThatIsMadeForAProjectThatHasGoneIsNotLeft: by somebody who was
// suspended in between. It would be unfinished for ever.
func TestARecordThatIsMadeForAProjectThatHasGoneIsNotLeft(t *testing.T) {
	u := newRetaining(t)
	lives := u.started(0, "x")
	late := lives
	late.Generation = "earlier"
	_, _, err := u.d.Store.Apply(t.Context(), late, multinode.Accepted{Key: late, At: u.d.now()})
	must(t, err)
	u.listed(0)
	u.d.tidy(t.Context(), true)
	if _, err := u.d.Store.CurrentRecord(t.Context(), late); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("it is left: %v", err)
	}
	if !u.kept(lives) {
		t.Error("one of the project that is there is gone")
	}
	revision, err := u.d.Store.RecordsRevision(t.Context())
	must(t, err)
	must(t, u.d.Index.WaitFor(t.Context(), revision))
	if _, known, err := u.d.Index.Get(late); known || err != nil {
		t.Errorf("the index still has it: %v, %v", known, err)
	}
}
