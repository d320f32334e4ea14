package provisiontest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
)

func stopGently(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	p.stop(t, worker.ExecutionID, patience)
	worker.awaitTerm(t)
	worker.awaitGone(t)
	if _, listed := p.find(t, worker.ExecutionID); listed {
		t.Error("it is still listed after stop")
	}
}

func stopHard(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	worker.do(t, "ignore-term")
	all := []*peer{worker}
	for _, how := range []string{"plain", "group", "session", "bare"} {
		worker.do(t, "spawn "+how)
		all = append(all, b.hub.await(t, worker.ExecutionID, childRole))
	}
	p.stop(t, worker.ExecutionID, 10*time.Millisecond)
	worker.awaitTerm(t)
	for _, process := range all {
		process.awaitGone(t)
	}
	if left := p.list(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func stopCutOff(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	worker.do(t, "ignore-term")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- p.Stop(ctx, worker.ExecutionID, multinode.Worker{}, time.Hour) }()
	worker.awaitTerm(t)
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("stop that was cut off: %v", err)
	}
	worker.do(t, "ping")
	if w, listed := p.find(t, worker.ExecutionID); !listed || !w.Alive {
		t.Errorf("listed as %+v (%v)", w, listed)
	}
	p.stop(t, worker.ExecutionID, 0)
	worker.awaitGone(t)
}

func stopOvertakes(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	worker.do(t, "ignore-term")
	result := make(chan error, 1)
	go func() { result <- p.Stop(t.Context(), worker.ExecutionID, multinode.Worker{}, time.Hour) }()
	worker.awaitTerm(t)
	p.stop(t, worker.ExecutionID, 0)
	worker.awaitGone(t)
	if err := <-result; err != nil {
		t.Errorf("the stop that was overtaken: %v", err)
	}
}

func stopAdopted(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	worker.do(t, "spawn session")
	child := b.hub.await(t, worker.ExecutionID, childRole)
	p.close(t)
	p = b.open(t, 0)
	p.stop(t, worker.ExecutionID, patience)
	worker.awaitTerm(t)
	worker.awaitGone(t)
	child.awaitGone(t)
}

func stopUnknown(t *testing.T, b *bench) {
	p := b.open(t, 0)
	p.stop(t, multinode.NewID(multinode.ExecutionPrefix), time.Hour)
	worker := b.start(t, p)
	var stops sync.WaitGroup
	for range 4 {
		stops.Go(func() { p.stop(t, worker.ExecutionID, patience) })
	}
	stops.Wait()
	p.stop(t, worker.ExecutionID, time.Hour)
	worker.awaitGone(t)
}

func stopWhileLaunched(t *testing.T, b *bench) {
	provisioners := []*opened{b.open(t, 0), b.open(t, 0)}
	intent := b.intent(t, multinode.NewID(multinode.ExecutionPrefix))
	for range 10 {
		var callers sync.WaitGroup
		for _, p := range provisioners {
			callers.Go(func() {
				// Refused where the other's stop comes in between.
				if _, err := p.Launch(t.Context(), intent); err != nil && !isError(err, provision.Transient) {
					t.Errorf("launch: %v", err)
				}
			})
			callers.Go(func() { p.stop(t, intent.ExecutionID, 0) })
		}
		callers.Wait()
		for _, p := range provisioners {
			p.stop(t, intent.ExecutionID, 0)
			if w, listed := p.find(t, intent.ExecutionID); listed {
				t.Fatalf("left behind: %+v", w)
			}
		}
	}
	// Whoever lived long enough to announce himself is dead.
	b.start(t, provisioners[0])
	b.hub.mu.Lock()
	defer b.hub.mu.Unlock()
	for _, p := range b.hub.peers {
		if p.ExecutionID == intent.ExecutionID {
			p.awaitGone(t)
		}
	}
}

func listAll(t *testing.T, b *bench) {
	p := b.open(t, 0)
	if workers := p.list(t); len(workers) > 0 {
		t.Fatalf("a new place has workers: %v", workers)
	}
	alive, dead := b.start(t, p), b.start(t, p)
	dead.order(t, "exit 0")
	p.awaitExits(t, dead.ExecutionID, 1)
	check := func(p *opened) {
		t.Helper()
		got := map[string]provision.Worker{}
		for _, w := range p.list(t) {
			got[w.ExecutionID] = w
		}
		if len(got) != 2 || !got[alive.ExecutionID].Alive || got[dead.ExecutionID].Alive {
			t.Errorf("listed: %v", got)
		}
		for id, w := range got {
			if !w.Started || w.ExecutionKey != "p.g.f.i."+id || w.Handle == (multinode.Worker{}) {
				t.Errorf("%s is listed as %+v", id, w)
			}
		}
	}
	check(p)
	p.close(t)
	next := b.open(t, 0)
	next.awaitExits(t, dead.ExecutionID, 1)
	check(next)
}

func closeLeaves(t *testing.T, b *bench) {
	p := b.open(t, 0)
	worker := b.start(t, p)
	result := make(chan error, 1)
	worker.do(t, "ignore-term")
	go func() { result <- p.Stop(t.Context(), worker.ExecutionID, multinode.Worker{}, time.Hour) }()
	worker.awaitTerm(t)
	p.close(t)
	if err := <-result; err == nil {
		t.Error("a stop that close cut off reported success")
	}
	worker.do(t, "ping")
	if len(p.exits) > 0 {
		t.Errorf("notices of a living worker: %+v", p.exits)
	}
}
