package process

import (
	"context"
	"sync"
)

// turns lets one goroutine at a time work on an execution's folder. The folder's
// lock does so between processes; this spares the goroutines of one process the
// polling.
type turns struct {
	mu     sync.Mutex
	queues map[string]*turn
}

type turn struct {
	free chan struct{}
	refs int
}

// take waits for the turn and returns what gives it back.
func (t *turns) take(ctx context.Context, id string) (func(), error) {
	t.mu.Lock()
	q := t.queues[id]
	if q == nil {
		q = &turn{free: make(chan struct{}, 1)}
		t.queues[id] = q
	}
	q.refs++
	t.mu.Unlock()
	select {
	case q.free <- struct{}{}:
		return func() { <-q.free; t.leave(id, q) }, nil
	case <-ctx.Done():
		t.leave(id, q)
		return nil, ctx.Err()
	}
}

func (t *turns) leave(id string, q *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.refs--; q.refs == 0 {
		delete(t.queues, id)
	}
}
