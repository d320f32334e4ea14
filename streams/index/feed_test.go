package index

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"

	"multinode"
	"multinode/streams"
)

// opened is an index that is fed from a new memory and closed with the test. What
// fill puts into the memory is there before the index is.
func TestReplayedChangesAreSkipped(t *testing.T) {
	x, m := opened(t)
	k := key("f", 1)
	m.put(k, pending(k, 1))
	m.put(k, with(pending(k, 1), multinode.Succeeded))
	gone := key("f", 2)
	m.put(gone, pending(gone, 2))
	m.put(gone, nil)
	caughtUp(within(t), t, x.Index, m)
	for _, replay := range [][]streams.Change{
		{{Key: k, Record: pending(k, 1), Revision: 1}},
		{{Key: gone, Record: pending(gone, 2), Revision: 3}, {Key: k, Revision: 2}},
		{{Key: multinode.InvocationKey{Project: "p", Generation: "g"}, Revision: 4}},
	} {
		if err := x.deliver(replay); err != nil {
			t.Fatal(err)
		}
	}
	counts, err := x.Counts("p", "g", "f")
	if err != nil || len(counts) != 1 || counts[multinode.Succeeded] != 1 {
		t.Fatalf("counts are %v, %v", counts, err)
	}
	if e, found, err := x.Get(k); err != nil || !found || e.Revision != 2 {
		t.Fatalf("the entry is %+v, %v, %v", e, found, err)
	}
	if _, found, err := x.Get(gone); err != nil || found {
		t.Fatalf("the deleted one is back: %v, %v", found, err)
	}
}

func TestFailingSourceIsTriedAgain(t *testing.T) {
	m := newMemory()
	m.failures = []error{errors.New("no"), streams.ErrResync, streams.ErrUnavailable}
	m.put(key("f", 1), pending(key("f", 1), 1))
	x := start(t, filepath.Join(t.TempDir(), "index"), m, "boot")
	defer func() { x.stop(); _ = x.Close() }()
	caughtUp(within(t), t, x.Index, m)
	if calls := m.began(); len(calls) != 4 {
		t.Errorf("the source was asked %d times", len(calls))
	}
}

func TestReadersWaitForTheFirstCatchUp(t *testing.T) {
	m := newMemory()
	m.batch = 1
	m.stepDone = make(chan struct{})
	m.put(key("f", 1), pending(key("f", 1), 1))
	m.put(key("f", 2), pending(key("f", 2), 2))
	x := start(t, filepath.Join(t.TempDir(), "index"), m, "boot")
	defer func() { x.stop(); _ = x.Close() }()
	<-m.stepDone
	if err := x.WaitFor(within(t), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Counts("p", "g", "f"); !errors.Is(err, ErrNotReady) {
		t.Errorf("half an index answers with %v", err)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := x.Ready(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Ready gives %v", err)
	}
	if err := x.WaitFor(over, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitFor gives %v", err)
	}
	<-m.stepDone
	caughtUp(within(t), t, x.Index, m)
	if counts, err := x.Counts("p", "g", "f"); err != nil || counts[multinode.Pending] != 2 {
		t.Errorf("counts are %v, %v", counts, err)
	}
}

func TestSubscribersNeverHoldUpTheFeed(t *testing.T) {
	x, m := opened(t)
	k := key("f", 1)
	slow, endSlow := x.Subscribe(k)
	defer endSlow()
	ended, end := x.Subscribe(k)
	end()
	var last uint64
	for n := range 50 {
		last = m.put(k, pending(k, n))
		if err := x.WaitFor(within(t), last); err != nil {
			t.Fatal(err)
		}
	}
	gone := m.put(k, nil)
	// The notice follows the commit, so waiting for a later one that is known to
	// have been published first.
	for e := range slow {
		if e.Revision == gone {
			if e.Status != "" || e.Key != k {
				t.Errorf("the notice of a deletion is %+v", e)
			}
			break
		}
	}
	select {
	case e := <-ended:
		t.Errorf("an ended subscription got %+v", e)
	default:
	}
	if len(x.hub.subs) != 1 {
		t.Errorf("%d keys are subscribed to", len(x.hub.subs))
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if _, open := <-slow; open {
		t.Error("the channel is open after Close")
	}
	if late, _ := x.Subscribe(k); late != nil {
		if _, open := <-late; open {
			t.Error("a subscription after Close is open")
		}
	}
}

// Undeploying takes several transactions and may be interrupted between them.
func TestDroppedProjectInParts(t *testing.T) {
	other := multinode.InvocationKey{Project: "p", Generation: "g2", Function: "f", ID: "x"}
	x, m := opened(t, func(m *memory) {
		m.batch = 10_000
		for n := range maxTransaction + 100 {
			m.put(key("f", n), pending(key("f", n), n))
		}
		m.put(other, pending(other, 1))
	})
	caughtUp(within(t), t, x.Index, m)
	x.stop()
	marker := streams.Change{Key: multinode.InvocationKey{Project: "p", Generation: "g"}, Revision: m.last + 1}
	gone, done, err := x.drop(marker)
	if err != nil || done || len(gone) != maxTransaction {
		t.Fatalf("the first part: %d gone, done=%v, %v", len(gone), done, err)
	}
	m.dropProject("p", "g")
	path := x.file.path
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, path, m, "boot")
	defer func() { again.stop(); _ = again.Close() }()
	caughtUp(within(t), t, again.Index, m)
	seen := 0
	if err := again.Unfinished("", "", func(e Entry) bool { seen++; return e.Key == other }); err != nil || seen != 1 {
		t.Errorf("%d unfinished are left, %v", seen, err)
	}
	if counts, err := again.Counts("p", "g", "f"); err != nil || len(counts) != 0 {
		t.Errorf("counts are %v, %v", counts, err)
	}
	err = again.file.view(func(tx *bbolt.Tx) error {
		for name, want := range map[string]int{"entries": 1, "places": 1, "lists": 1, "unfinished": 1, "counts": 1} {
			if got := tx.Bucket([]byte(name)).Stats().KeyN; got != want {
				t.Errorf("%d keys are left in %s, want %d", got, name, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnknownStatusAndUnreadableRecordsDoNotStopTheFeed(t *testing.T) {
	var text bytes.Buffer
	m := newMemory()
	x, err := open(filepath.Join(t.TempDir(), "index"), m, slog.New(slog.NewTextHandler(&text, nil)), "boot")
	if err != nil {
		t.Fatal(err)
	}
	k := key("f", 1)
	m.put(k, pending(k, 1))
	m.put(k, with(pending(k, 1), "PAUSED"))
	m.put(multinode.InvocationKey{}, nil) // what is delivered of an unreadable one
	ctx, cancel := context.WithCancel(context.Background())
	var feeding sync.WaitGroup
	feeding.Go(func() { _ = x.Run(ctx) })
	caughtUp(within(t), t, x, m)
	if _, found, err := x.Get(k); err != nil || found {
		t.Errorf("found=%v, %v", found, err)
	}
	cancel()
	feeding.Wait()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "PAUSED") {
		t.Errorf("the log does not tell: %s", text.String())
	}
}
