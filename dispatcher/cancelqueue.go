package dispatcher

import (
	"context"
	"sync"

	"multinode"
)

// cancelQueue holds each invocation once, in the order in which they came.
type cancelQueue struct {
	mu      sync.Mutex
	waiting map[multinode.InvocationKey]struct{}
	order   []multinode.InvocationKey
	// wake is closed, and another, when one comes.
	wake chan struct{}
}

func newCancelQueue() *cancelQueue {
	return &cancelQueue{waiting: map[multinode.InvocationKey]struct{}{}, wake: make(chan struct{})}
}

func (q *cancelQueue) add(k multinode.InvocationKey) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, waits := q.waiting[k]; waits {
		return
	}
	q.waiting[k] = struct{}{}
	q.order = append(q.order, k)
	close(q.wake)
	q.wake = make(chan struct{})
}

// next waits for an invocation, and returns false when ctx ends.
func (q *cancelQueue) next(ctx context.Context) (multinode.InvocationKey, bool) {
	for {
		q.mu.Lock()
		if len(q.order) > 0 {
			k := q.order[0]
			q.order = q.order[1:]
			delete(q.waiting, k)
			q.mu.Unlock()
			return k, true
		}
		wake := q.wake
		q.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return multinode.InvocationKey{}, false
		}
	}
}
