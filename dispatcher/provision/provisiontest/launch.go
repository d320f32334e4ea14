package provisiontest

import (
	"errors"
	"sync"
	"testing"

	"multinode"
	"multinode/dispatcher/provision"
)

func launchStarts(t *testing.T, b *bench) {
	p := b.open(t, 0)
	id := multinode.NewID(multinode.ExecutionPrefix)
	intent := b.intent(t, id)
	intent.Environment["MULTINODE_API_URL"] = "http://127.0.0.1:1/?a=b c&d='\"$e"
	handle := p.launch(t, intent)
	if handle.Kind == "" || handle.ID == "" {
		t.Errorf("the handle is incomplete: %+v", handle)
	}
	worker := b.hub.await(t, id, runnerRole)
	for name, value := range intent.Environment {
		if worker.Environment[name] != value {
			t.Errorf("%s is %q, not %q", name, worker.Environment[name], value)
		}
	}
	if worker.Environment["MULTINODE_EXECUTION_ID"] != id {
		t.Errorf("MULTINODE_EXECUTION_ID is %q", worker.Environment["MULTINODE_EXECUTION_ID"])
	}
	want := provision.Worker{ExecutionID: id, ExecutionKey: intent.ExecutionKey, Handle: handle, Started: true, Alive: true}
	if got, _ := p.find(t, id); got != want {
		t.Errorf("listed as %+v, not %+v", got, want)
	}
}

// oneRunner stops the worker and checks that there never was a second one. Stop
// returns when all is gone; a worker launched after that has overtaken whatever
// the other would have had to say.
func (b *bench) oneRunner(t *testing.T, p *opened, executionID string) {
	t.Helper()
	p.stop(t, executionID, 0)
	if _, listed := p.find(t, executionID); listed {
		t.Error("it is still listed after stop")
	}
	b.start(t, p)
	if n := b.hub.runners(executionID); n != 1 {
		t.Errorf("%d workers were started", n)
	}
}

func launchAgain(t *testing.T, b *bench) {
	p := b.open(t, 0)
	intent := b.intent(t, multinode.NewID(multinode.ExecutionPrefix))
	first := p.launch(t, intent)
	if w, _ := p.find(t, intent.ExecutionID); !w.Started || !w.Alive {
		t.Errorf("right after its launch it is listed as %+v", w)
	}
	if again := p.launch(t, intent); again != first {
		t.Errorf("handles differ: %v, %v", first, again)
	}
	worker := b.hub.await(t, intent.ExecutionID, runnerRole)
	if again := p.launch(t, intent); again != first {
		t.Errorf("handles differ: %v, %v", first, again)
	}
	worker.do(t, "ping")
	b.oneRunner(t, p, intent.ExecutionID)
}

func launchAfterRestart(t *testing.T, b *bench) {
	intent := b.intent(t, multinode.NewID(multinode.ExecutionPrefix))
	p := b.open(t, 0)
	first := p.launch(t, intent)
	p.close(t)
	p = b.open(t, 0)
	if again := p.launch(t, intent); again != first {
		t.Errorf("handles differ: %v, %v", first, again)
	}
	b.hub.await(t, intent.ExecutionID, runnerRole).do(t, "ping")
	b.oneRunner(t, p, intent.ExecutionID)
}

func launchByMany(t *testing.T, b *bench) {
	// Two dispatchers on the same place, several callers each.
	provisioners := []*opened{b.open(t, 0), b.open(t, 0)}
	intent := b.intent(t, multinode.NewID(multinode.ExecutionPrefix))
	var callers sync.WaitGroup
	handles := make([]multinode.Worker, 8)
	for i := range handles {
		callers.Go(func() {
			var err error
			if handles[i], err = provisioners[i%2].Launch(t.Context(), intent); err != nil {
				t.Errorf("launch: %v", err)
			}
		})
	}
	callers.Wait()
	for _, handle := range handles {
		if handle != handles[0] {
			t.Errorf("handles differ: %v, %v", handles[0], handle)
		}
	}
	b.hub.await(t, intent.ExecutionID, runnerRole).do(t, "ping")
	b.oneRunner(t, provisioners[0], intent.ExecutionID)
}

func launchAfterEnd(t *testing.T, b *bench) {
	p := b.open(t, 0)
	intent := b.intent(t, multinode.NewID(multinode.ExecutionPrefix))
	first := p.launch(t, intent)
	b.hub.await(t, intent.ExecutionID, runnerRole).order(t, "exit 0")
	p.awaitExits(t, intent.ExecutionID, 1)
	if again := p.launch(t, intent); again != first {
		t.Errorf("handles differ: %v, %v", first, again)
	}
	p.awaitExits(t, intent.ExecutionID, 2)
	b.oneRunner(t, p, intent.ExecutionID)
}

func launchImpossible(t *testing.T, b *bench) {
	p := b.open(t, 0)
	id := multinode.NewID(multinode.ExecutionPrefix)
	_, err := p.Launch(t.Context(), b.obedient(b.place.Impossible(t, id)))
	if !isError(err, provision.Permanent) {
		t.Errorf("impossible intent: %v", err)
	}
	for _, bad := range []string{"", "../x", "a b"} {
		intent := b.intent(t, id)
		intent.ExecutionID = bad
		if _, err := p.Launch(t.Context(), intent); !isError(err, provision.Permanent) {
			t.Errorf("execution ID %q: %v", bad, err)
		}
	}
	if left := p.list(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func isError(err error, kind provision.Kind) bool {
	var e *provision.Error
	return errors.As(err, &e) && e.Kind == kind && e.Error() != ""
}

func launchWithoutCapacity(t *testing.T, b *bench) {
	p := b.open(t, 2)
	running := b.intent(t, multinode.NewID(multinode.ExecutionPrefix))
	p.launch(t, running)
	ending := b.start(t, p)
	waiting := b.intent(t, multinode.NewID(multinode.ExecutionPrefix))
	if _, err := p.Launch(t.Context(), waiting); !isError(err, provision.NoCapacity) {
		t.Fatalf("a third worker: %v", err)
	} else if provision.RetryAfter(err) <= 0 {
		t.Error("no advice on when to try again")
	}
	if _, listed := p.find(t, waiting.ExecutionID); listed {
		t.Error("the refused launch left something behind")
	}
	p.launch(t, running) // is there already, and takes no more room

	// Adopted workers count.
	p.close(t)
	p = b.open(t, 2)
	if _, err := p.Launch(t.Context(), waiting); !isError(err, provision.NoCapacity) {
		t.Fatalf("a third worker after a restart: %v", err)
	}
	// An end makes room, whether or not the worker has been swept up.
	ending.order(t, "exit 0")
	p.awaitExits(t, ending.ExecutionID, 1)
	p.launch(t, waiting)
	b.hub.await(t, waiting.ExecutionID, runnerRole)
}

func manyWorkers(t *testing.T, b *bench) {
	const n = 20
	p := b.open(t, n)
	var launches sync.WaitGroup
	ids := make([]string, n)
	for i := range ids {
		ids[i] = multinode.NewID(multinode.ExecutionPrefix)
		intent := b.intent(t, ids[i])
		launches.Go(func() {
			if _, err := p.Launch(t.Context(), intent); err != nil {
				t.Errorf("launch: %v", err)
			}
		})
	}
	launches.Wait()
	workers := make([]*peer, n)
	for i, id := range ids {
		workers[i] = b.hub.await(t, id, runnerRole)
		workers[i].do(t, "ping")
	}
	var stops sync.WaitGroup
	for _, id := range ids {
		stops.Go(func() { p.stop(t, id, patience) })
	}
	stops.Wait()
	for _, worker := range workers {
		worker.awaitTerm(t)
		worker.awaitGone(t)
	}
	if left := p.list(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
