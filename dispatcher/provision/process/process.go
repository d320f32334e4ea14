package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

// Kind is the kind in the handles of this package.
const Kind = "process"

// ErrClosed is returned by calls that were under way when Close was called.
var ErrClosed = errors.New("the process provisioner is closed")

var _ provision.Provisioner = (*Provisioner)(nil)

// Provisioner runs workers as processes of this machine. See New.
type Provisioner struct {
	options Options
	exits   chan provision.Exit
	closing chan struct{}
	tasks   sync.WaitGroup
	turns   turns
	kills   memoryKills

	mu      sync.Mutex
	closed  bool
	workers map[string]*worker // by execution ID, until stopped
	place   string
	taken   int // slots of MaxWorkers in use

	// at is called after each step of a launch; tests crash there.
	at func(step string)
}

// New opens the folder, finds the workers in it and watches them. It makes the
// folder where it is missing.
func New(options Options) (*Provisioner, error) {
	options, err := options.complete()
	if err != nil {
		return nil, err
	}
	p := &Provisioner{
		options: options,
		exits:   make(chan provision.Exit, 64),
		closing: make(chan struct{}),
		turns:   turns{queues: map[string]*turn{}},
		kills:   memoryKills{seen: map[string]uint64{}},
		workers: map[string]*worker{},
		at:      func(step string) { failpoint.Hit("process." + step) },
	}
	for _, dir := range []string{p.workersDir(), p.removingDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the folder for workers: %w", err)
		}
	}
	if p.place, err = placeOf(options.Dir); err != nil {
		return nil, err
	}
	p.kills.struck(os.Getpid()) // what was killed before does not count
	if _, err := p.List(context.Background()); err != nil {
		return nil, err
	}
	p.tasks.Go(p.keepHouse)
	return p, nil
}

// Exits implements provision.Provisioner.
func (p *Provisioner) Exits() <-chan provision.Exit { return p.exits }

// Close implements provision.Provisioner. It never fails.
func (p *Provisioner) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.closing)
	for _, w := range p.workers {
		w.end.interrupt()
	}
	p.mu.Unlock()
	p.tasks.Wait()
	close(p.exits)
	return nil
}

// List implements provision.Provisioner. Workers that another provisioner on the
// same folder started are watched from then on.
func (p *Provisioner) List(ctx context.Context) ([]provision.Worker, error) {
	entries, err := os.ReadDir(p.workersDir())
	if err != nil {
		return nil, fmt.Errorf("listing workers: %w", err)
	}
	found := make(map[string]bool, len(entries))
	workers := make([]provision.Worker, 0, len(entries))
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("listing workers: %w", err)
		}
		id := entry.Name()
		if !entry.IsDir() || provision.ValidateExecutionID(id) != nil {
			continue
		}
		found[id] = true
		if w, ok := p.look(p.folder(id)); ok {
			workers = append(workers, w)
		}
	}
	p.forget(found)
	return workers, nil
}

// look describes what is in the folder, and adopts the worker if it was ever
// started. It is false where there is nothing.
func (p *Provisioner) look(f folder) (provision.Worker, bool) {
	found := provision.Worker{ExecutionID: f.id(), Handle: handle(f.id()), Started: f.started()}
	if !found.Started && !f.recorded() {
		if err := f.removeUnrecorded(); err != nil {
			p.log(f.id()).Warn("leftovers of a launch cannot be removed", slog.Any("error", err))
		}
		return found, false
	}
	r, err := f.record()
	if err != nil && !f.exists() {
		return found, false // removed meanwhile
	}
	found.ExecutionKey = r.Key
	if !found.Started {
		// One that this provisioner has just let through the gate is started, though
		// the shell may not have said so yet.
		p.mu.Lock()
		defer p.mu.Unlock()
		w := p.workers[f.id()]
		passed := w != nil && w.process == r.process() && !w.ended()
		found.Started, found.Alive = passed, passed
		return found, true
	}
	if w, err := p.adopt(f, &slot{}); err == nil {
		found.Alive = !w.ended()
	} else {
		found.Alive = r.process().alive() // closed: then nobody watches
	}
	return found, true
}

// forget drops ended workers that another provisioner has swept up.
func (p *Provisioner) forget(found map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, w := range p.workers {
		if !found[id] && w.ended() && !p.folder(id).exists() {
			delete(p.workers, id)
		}
	}
}

func (p *Provisioner) workersDir() string  { return filepath.Join(p.options.Dir, "workers") }
func (p *Provisioner) removingDir() string { return filepath.Join(p.options.Dir, "removing") }

func (p *Provisioner) folder(id string) folder {
	return folder{path: filepath.Join(p.workersDir(), id), removing: p.removingDir()}
}

func (p *Provisioner) log(id string) *slog.Logger {
	return p.options.Logger.With(slog.String("execution_id", id))
}

func handle(id string) multinode.Worker { return multinode.Worker{Kind: Kind, ID: id} }
