package provisiontest

import (
	"context"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
)

// bench is a place with what the suite needs to look at it.
type bench struct {
	place Place
	hub   *hub
}

func newBench(t *testing.T, place Place) *bench {
	t.Helper()
	b := &bench{place: place, hub: newHub(t, place.Host)}
	// The first clean-up to be registered is the last to run: workers are stopped
	// after the test's own provisioners are closed, and before the hub closes.
	t.Cleanup(func() {
		p := b.open(t, 0)
		for _, w := range p.list(t) {
			p.stop(t, w.ExecutionID, 0)
		}
		if left := p.list(t); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		p.close(t)
	})
	return b
}

// opened is a provisioner whose notices are collected.
type opened struct {
	provision.Provisioner
	once    sync.Once
	mu      sync.Mutex
	changed chan struct{}
	exits   []provision.Exit
	drained chan struct{}
}

func (b *bench) open(t *testing.T, maxWorkers int) *opened {
	t.Helper()
	p := &opened{
		Provisioner: b.place.Open(t, maxWorkers),
		changed:     make(chan struct{}),
		drained:     make(chan struct{}),
	}
	go func() {
		defer close(p.drained)
		for exit := range p.Exits() {
			p.mu.Lock()
			p.exits = append(p.exits, exit)
			close(p.changed)
			p.changed = make(chan struct{})
			p.mu.Unlock()
		}
	}()
	t.Cleanup(func() { p.close(t) })
	return p
}

// close closes the provisioner once, and checks that its notices end.
func (p *opened) close(t *testing.T) {
	t.Helper()
	p.once.Do(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		select {
		case <-p.drained:
		case <-time.After(patience):
			t.Error("close has not closed the channel of notices")
		}
	})
}

// awaitExits waits for the n-th notice of the execution, counted from 1.
func (p *opened) awaitExits(t *testing.T, executionID string, n int) provision.Exit {
	t.Helper()
	timeout := time.After(patience)
	for {
		p.mu.Lock()
		changed, seen := p.changed, 0
		for _, exit := range p.exits {
			if exit.ExecutionID == executionID {
				if seen++; seen == n {
					p.mu.Unlock()
					return exit
				}
			}
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%d notices of the end of %s, not %d", seen, executionID, n)
		}
	}
}

// intent returns what launches a worker that obeys the suite.
func (b *bench) intent(t *testing.T, executionID string) provision.Intent {
	t.Helper()
	intent := b.place.Intent(t, executionID)
	intent.ExecutionKey = "p.g.f.i." + executionID
	return b.obedient(intent)
}

func (b *bench) obedient(intent provision.Intent) provision.Intent {
	environment := map[string]string{
		addressVariable: b.hub.listener.Addr().String(),
		workerVariable:  intent.ExecutionID,
		roleVariable:    runnerRole,
		// Else a worker built with the race detector takes a second to exit.
		"GORACE": "atexit_sleep_ms=0",
	}
	for name, value := range intent.Environment {
		environment[name] = value
	}
	intent.Environment = environment
	return intent
}

// start launches a worker and waits until it obeys.
func (b *bench) start(t *testing.T, p *opened) *peer {
	t.Helper()
	id := multinode.NewID(multinode.ExecutionPrefix)
	p.launch(t, b.intent(t, id))
	return b.hub.await(t, id, runnerRole)
}

func (p *opened) launch(t *testing.T, intent provision.Intent) multinode.Worker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	handle, err := p.Launch(ctx, intent)
	if err != nil {
		t.Fatalf("launch: %v", err)
	}
	return handle
}

// stop works in clean-ups too, where the test's own context has ended.
func (p *opened) stop(t *testing.T, executionID string, grace time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Stop(ctx, executionID, multinode.Worker{}, grace); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func (p *opened) list(t *testing.T) []provision.Worker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	workers, err := p.List(ctx)
	if err != nil {
		t.Errorf("list: %v", err)
	}
	return workers
}

// find returns the list's entry of the execution.
func (p *opened) find(t *testing.T, executionID string) (provision.Worker, bool) {
	t.Helper()
	var found []provision.Worker
	for _, w := range p.list(t) {
		if w.ExecutionID == executionID {
			found = append(found, w)
		}
	}
	if len(found) > 1 {
		t.Fatalf("the list has %s %d times", executionID, len(found))
	}
	if len(found) == 0 {
		return provision.Worker{}, false
	}
	return found[0], true
}
