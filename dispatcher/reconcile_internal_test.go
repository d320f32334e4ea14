package dispatcher

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
	"multinode/streams/index"
)

// unrecorded is a store with two functions that nothing dispatches.
type unrecorded struct {
	t    *testing.T
	d    *Dispatcher
	keys [2]multinode.InvocationKey
}

func newUnrecorded(t *testing.T) *unrecorded {
	t.Helper()
	nc, err := embeddedtest.Start(t).Connect("test")
	must(t, err)
	t.Cleanup(nc.Close)
	store, err := streams.Open(t.Context(), nc, streams.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	records, err := index.Open(filepath.Join(t.TempDir(), "index"), store, nil)
	must(t, err)
	fed := make(chan error, 1)
	go func() { fed <- records.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() { _, _ = records.Close(), <-fed })
	u := &unrecorded{t: t, d: &Dispatcher{Options: Options{Store: store, Index: records}, log: slog.New(slog.DiscardHandler)}}
	p, err := store.CreateProject(t.Context(), "p")
	must(t, err)
	v := multinode.Version{ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation, State: multinode.VersionReady}
	for i, name := range []string{"f", "g"} {
		v.Functions = append(v.Functions, multinode.FunctionSpec{Name: name, CPU: 1, MemoryGiB: 1, MaxConcurrency: 1, Timeout: time.Hour})
		u.keys[i] = multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: name}
	}
	must(t, store.CreateVersion(t.Context(), v, nil))
	must(t, store.Activate(t.Context(), v))
	return u
}

// accept stores a request whose record somebody else makes, or nobody does.
func (u *unrecorded) accept(function int, follows bool) streams.Request {
	u.t.Helper()
	r := streams.Request{Key: u.keys[function], Input: []byte("[[], {}]"), Follows: follows}
	r.Key.ID = multinode.NewID(multinode.InvocationPrefix)
	var err error
	r.Sequence, err = u.d.Store.Accept(u.t.Context(), r)
	must(u.t, err)
	r.Time = time.Now()
	return r
}

// listed counts the function's records in the index, with everything written so
// far in it.
func (u *unrecorded) listed(function int) int {
	u.t.Helper()
	revision, err := u.d.Store.RecordsRevision(u.t.Context())
	must(u.t, err)
	must(u.t, u.d.Index.WaitFor(u.t.Context(), revision))
	counts, err := u.d.Index.Counts(u.keys[function].Project, u.keys[function].Generation, u.keys[function].Function)
	must(u.t, err)
	return counts[multinode.Pending]
}

func (u *unrecorded) pass(r *reconciler, now time.Time) {
	u.t.Helper()
	must(u.t, r.pass(u.t.Context(), now))
}

func (u *unrecorded) expect(what string, f, g int) {
	u.t.Helper()
	if gotF, gotG := u.listed(0), u.listed(1); gotF != f || gotG != g {
		u.t.Errorf("%s: %d and %d invocations are listed, not %d and %d", what, gotF, gotG, f, g)
	}
}

func TestRequestsWithoutARecordAreListed(t *testing.T) {
	t.Parallel()
	u, now := newUnrecorded(t), time.Now()
	const many = headersOfTwoReads
	for range many {
		u.accept(0, false)
	}
	r := newReconciler(u.d)
	u.pass(r, now)
	u.expect("after the first pass", many, 0)

	u.accept(0, false)
	u.accept(1, false)
	u.pass(r, now)
	u.expect("after the second pass", many+1, 1)

	// Another one that knows of nothing, at the same time or later, does no harm.
	before, err := u.d.Store.RecordsRevision(t.Context())
	must(t, err)
	u.pass(newReconciler(u.d), now)
	after, err := u.d.Store.RecordsRevision(t.Context())
	must(t, err)
	if after != before {
		t.Errorf("%d records were written twice", after-before)
	}
}

// headersOfTwoReads is more requests than are read at once.
const headersOfTwoReads = 520

func TestARecordThatFollowsIsLeftToItsMaker(t *testing.T) {
	t.Parallel()
	u, now := newUnrecorded(t), time.Now()
	made, lost := u.accept(0, true), u.accept(0, true)
	r := newReconciler(u.d)
	u.pass(r, now)
	u.expect("while records may follow", 0, 0)
	_, _, err := u.d.Store.EnsureRecord(t.Context(), made)
	must(t, err)
	u.pass(r, now.Add(recordPatience-time.Millisecond))
	u.expect("shortly before they are overdue", 1, 0)
	u.pass(r, now.Add(recordPatience))
	u.expect("when one is overdue", 2, 0)
	if _, known, err := u.d.Index.Get(lost.Key); !known || err != nil {
		t.Errorf("the invocation of the gateway that was killed: %v, %v", known, err)
	}
	if len(r.following) != 0 {
		t.Errorf("%d requests are still remembered", len(r.following))
	}
}

func TestMoreRecordsThanAreRememberedFollow(t *testing.T) {
	t.Parallel()
	u, now := newUnrecorded(t), time.Now()
	r := newReconciler(u.d)
	r.following = make([]following, maxFollowing-1)
	for i := range r.following {
		r.following[i] = following{streams.Request{Key: u.keys[1]}, now.Add(2 * recordPatience)}
	}
	for range 3 {
		u.accept(0, true)
	}
	u.pass(r, now)
	if len(r.following) != maxFollowing {
		t.Fatalf("%d are remembered, not %d", len(r.following), maxFollowing)
	}
	r.following = r.following[maxFollowing-1:]
	u.pass(r, now)
	u.pass(r, now.Add(recordPatience))
	u.expect("in the end", 3, 0)
}

func TestTheReconcilerForgetsFunctionsThatAreGone(t *testing.T) {
	t.Parallel()
	u, now := newUnrecorded(t), time.Now()
	u.accept(0, false)
	r := newReconciler(u.d)
	r.seen[functionName{"gone", "g", "f"}] = 7
	u.pass(r, now)
	if len(r.seen) != 2 {
		t.Errorf("it remembers %v", r.seen)
	}
}
