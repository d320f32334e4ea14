package dispatcher

import (
	"context"
	"sync"
	"time"

	"multinode"
)

// tendInterval is how often the registry is looked at where nothing changes:
// somebody else's claim may have run out.
const tendInterval = 5 * time.Second

// tendRegistry drives versions that are being prepared and projects that are
// being undeployed: both are states in the registry, so that a crash half-way is
// finished by another dispatcher.
func (d *Dispatcher) tendRegistry(ctx context.Context) error {
	changes, stop := d.Store.RegistryChanges()
	defer stop()
	tick := time.NewTicker(tendInterval)
	defer tick.Stop()
	work := newSingles()
	defer work.wait()
	for {
		projects, err := d.Store.Projects(ctx)
		if err != nil {
			return err
		}
		for _, p := range projects {
			if p.Deleting() {
				work.start(p.Generation, func() { d.undeploy(ctx, p) })
				continue
			}
			versions, err := d.Store.Versions(ctx, p)
			if err != nil {
				return err
			}
			for _, v := range versions {
				if v.State == multinode.VersionPreparing {
					work.start(v.ID, func() { d.prepare(ctx, p, v) })
				}
			}
		}
		select {
		case <-changes:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// singles runs functions so that one name has at most one running.
type singles struct {
	mu      sync.Mutex
	running map[string]struct{}
	all     sync.WaitGroup
}

func newSingles() *singles { return &singles{running: map[string]struct{}{}} }

func (s *singles) start(name string, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.running[name]; ok {
		return
	}
	s.running[name] = struct{}{}
	s.all.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.running, name)
		}()
		do()
	})
}

func (s *singles) wait() { s.all.Wait() }
