package model_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
)

// fleet is the compute that all dispatchers share: workers are goroutines that
// speak the real protocol and do what their script says.
type fleet struct {
	folder string
	// clocked histories have workers that only the clock ends.
	clocked bool

	mu      sync.Mutex
	workers map[string]*worker // by execution
	scripts map[string]*script // by invocation
	views   map[*view]struct{}
	// gone says of which executions the worker ended without an outcome, and how.
	gone map[string]multinode.OutcomeKind
	// yielded says what each execution's worker has put.
	yielded map[string]*yielded
	// wrong collects what must never happen.
	wrong []string
	all   sync.WaitGroup
}

// yielded is the yield that a worker was told is stored, and the one that it tried to
// store last.
type yielded struct{ stored, tried string }

func (f *fleet) yields(execution string, change func(*yielded)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.yielded[execution] == nil {
		f.yielded[execution] = &yielded{}
	}
	change(f.yielded[execution])
}

// script is what happens to the launches of one invocation.
type script struct {
	rest     []behaviour
	input    string
	released chan struct{}
	once     sync.Once
	// swept is set before the invocation's traces are deleted.
	swept bool
}

func newFleet(folder string) *fleet {
	return &fleet{
		folder: folder, workers: map[string]*worker{}, scripts: map[string]*script{},
		views: map[*view]struct{}{}, gone: map[string]multinode.OutcomeKind{}, yielded: map[string]*yielded{},
	}
}

func (f *fleet) violation(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func (f *fleet) prepare(invocation, input string, behaviours []behaviour) *script {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &script{rest: behaviours, input: input, released: make(chan struct{})}
	f.scripts[invocation] = s
	return s
}

// lose kills the invocation's worker, as a machine that burns down does.
func (f *fleet) lose(invocation string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.workers {
		if w.intent.Invocation == invocation && w.alive {
			f.gone[w.intent.ExecutionID] = multinode.OutcomeLost
			w.excused.Store(true)
			w.kill()
		}
	}
}

func (f *fleet) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.workers)
}

// worker returns the living worker of an invocation.
func (f *fleet) worker(invocation string) (*worker, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.workers {
		if w.intent.Invocation == invocation && w.alive {
			return w, true
		}
	}
	return nil, false
}

// ended tells all dispatchers of a worker's exit.
func (f *fleet) ended(w *worker) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.alive = false
	for v := range f.views {
		v.notify(f.exit(w))
	}
	close(w.done)
}

func (f *fleet) exit(w *worker) provision.Exit {
	id := w.intent.ExecutionID
	return provision.Exit{ExecutionID: id, OutOfMemory: f.gone[id] == multinode.OutcomeOutOfMemory}
}

// view is one dispatcher's way to the fleet.
type view struct {
	*fleet
	exits chan provision.Exit
}

// notices is more exits than any history has.
const notices = 1 << 14

func (f *fleet) view() *view {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := &view{fleet: f, exits: make(chan provision.Exit, notices)}
	f.views[v] = struct{}{}
	for _, w := range f.workers {
		if !w.alive {
			v.notify(f.exit(w))
		}
	}
	return v
}

func (v *view) notify(x provision.Exit) { v.exits <- x }

// Place names the compute, which is the same for all dispatchers.
func (v *view) Place() string { return "fleet" }

func (v *view) Exits() <-chan provision.Exit { return v.exits }

func (v *view) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.views, v)
	close(v.exits)
	return nil
}

func (v *view) Launch(ctx context.Context, intent provision.Intent) (multinode.Worker, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return multinode.Worker{}, err
	}
	handle := multinode.Worker{Kind: "fleet", ID: intent.ExecutionID}
	if w := v.workers[intent.ExecutionID]; w != nil {
		if !w.alive {
			v.notify(v.exit(w))
		}
		return handle, nil
	}
	s := v.scripts[intent.Invocation]
	does := succeeds
	if len(s.rest) > 0 {
		does, s.rest = s.rest[0], s.rest[1:]
	}
	soon := 20 * time.Millisecond
	switch does {
	case noCapacity:
		return multinode.Worker{}, &provision.Error{Kind: provision.NoCapacity, RetryAfter: soon, Err: errors.New("all taken")}
	case notNow:
		return multinode.Worker{}, &provision.Error{Kind: provision.Transient, RetryAfter: soon, Err: errors.New("not now")}
	case never:
		return multinode.Worker{}, &provision.Error{Kind: provision.Permanent, Err: errors.New("never")}
	}
	running, kill := context.WithCancel(context.Background())
	w := &worker{fleet: v.fleet, intent: intent, does: does, script: s, kill: kill, alive: true, done: make(chan struct{})}
	v.workers[intent.ExecutionID] = w
	v.all.Go(func() { w.run(running) })
	return handle, nil
}

func (v *view) Stop(ctx context.Context, execution string, _ multinode.Worker, grace time.Duration) error {
	v.mu.Lock()
	w := v.workers[execution]
	v.mu.Unlock()
	if w == nil {
		return nil
	}
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-w.done:
	case <-patience.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.kill()
	select {
	case <-w.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.workers, execution)
	return nil
}

func (v *view) List(context.Context) ([]provision.Worker, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []provision.Worker
	for id, w := range v.workers {
		all = append(all, provision.Worker{
			ExecutionID: id, ExecutionKey: w.intent.ExecutionKey, Started: true, Alive: w.alive,
			Handle: multinode.Worker{Kind: "fleet", ID: id},
		})
	}
	return all, nil
}
