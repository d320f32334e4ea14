package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var shop *workshop

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "multinode-faults-")
		if err == nil {
			defer os.RemoveAll(dir)
			shop, err = newWorkshop(context.Background(), dir, built{})
		}
		if err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// crashFor is how long the short form crashes things.
const crashFor = 20 * time.Second

// seed makes the tests alike; the long form takes any.
const seed = 1

func TestNoCrashBreaksAPromise(t *testing.T) {
	short(t, shop.single)
}

func TestNoCrashOfOneOfSeveralBreaksAPromise(t *testing.T) {
	short(t, shop.several(t.Context(), 1, 1))
}

// TestNoLossOfANATSServerBreaksAPromise takes longer than all others, and root.
func TestNoLossOfANATSServerBreaksAPromise(t *testing.T) {
	if os.Getenv("CI") == "" {
		t.Skip("three NATS servers are killed and cut off in CI only: set CI=true, or run `go run ./faults -cluster`, as root")
	}
	short(t, shop.several(t.Context(), 3, 1))
}

func TestEveryPointHasAName(t *testing.T) {
	for text, good := range map[string]bool{
		`failpoint.Hit("room.what_was_done")`: true, `failpoint.Hit("room")`: false,
		`failpoint.Hit(name)`: false, `failpoint.Hit("Room.x")`: false,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "room.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		names, err := points(dir)
		if (err == nil) != good || good && !slices.Equal(names, []string{"room.what_was_done"}) {
			t.Errorf("the points of %s: %v, %v", text, names, err)
		}
	}
	if len(shop.names) < 50 || !slices.Contains(shop.names, "process.forked") {
		t.Errorf("the points of the source: %v", shop.names)
	}
}

func short(t *testing.T, prepare func(dir string) (*system, error)) {
	t.Parallel()
	r, err := shop.open(t.Context(), options{dir: t.TempDir(), seed: seed, say: t.Logf}, prepare)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	end := time.Now().Add(crashFor)
	r.disturbed(t.Context(), 4, func() bool { return len(r.crashes.left()) == 0 || time.Now().After(end) })
	t.Logf("nothing has died at %v", r.crashes.left())
	r.finish(t.Context())
	t.Log(r.report())
	for _, v := range r.violations {
		t.Error(v)
	}
	if t.Failed() {
		for _, s := range r.ours() {
			t.Log(s.tail(50))
		}
	}
}
