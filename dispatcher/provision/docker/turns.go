package docker

import (
	"context"
	"sync"
)

// turns lets one goroutine at a time work on an execution.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{}
}

// take waits for the turn and returns what gives it back.
func (t *turns) take(ctx context.Context, id string) (func(), error) {
	for {
		t.mu.Lock()
		before := t.taken[id]
		if before == nil {
			if t.taken == nil {
				t.taken = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			t.taken[id] = mine
			t.mu.Unlock()
			return func() { t.give(id, mine) }, nil
		}
		t.mu.Unlock()
		select {
		case <-before:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (t *turns) give(id string, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, id)
	close(mine)
}
