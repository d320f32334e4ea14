package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"multinode/streams"
	"multinode/wire"
)

// waiters are the requests that wait for news: long-polls and event streams.
// They are bounded in number, and end when the key that let them in does.
type waiters struct {
	most int

	mu      sync.Mutex
	waiting map[*waiter]struct{}
}

type waiter struct {
	grant streams.Grant
	end   context.CancelCauseFunc
}

func (w *waiters) add(each *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) >= w.most {
		return false
	}
	if w.waiting == nil {
		w.waiting = map[*waiter]struct{}{}
	}
	w.waiting[each] = struct{}{}
	return true
}

func (w *waiters) remove(each *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, each)
}

func (w *waiters) all() []*waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]*waiter, 0, len(w.waiting))
	for each := range w.waiting {
		list = append(list, each)
	}
	return list
}

// admitWaiter lets a call wait for news until release is called. The context
// ends with wire.APIKeyIsInvalid for its cause when the call's key does.
func (g *Gateway) admitWaiter(ctx context.Context, grant streams.Grant) (waiting context.Context, release func(), err error) {
	waiting, end := context.WithCancelCause(ctx)
	each := &waiter{grant, end}
	if !g.waiters.add(each) {
		end(nil)
		return nil, nil, &problem{
			status: http.StatusServiceUnavailable, retryAfter: retryUnavailable,
			detail: "Too many clients wait for news at the moment; try again soon",
		}
	}
	if grant.Execution == nil {
		g.endIfVoid(each) // the key may have ended before anybody looked at this waiter
	}
	return waiting, func() {
		g.waiters.remove(each)
		end(nil)
	}, nil
}

// endVoid ends those whose keys are good no more: at once when a key is revoked,
// and within a heartbeat when it expires or when the worker's execution ends.
func (g *Gateway) endVoid() {
	changes, stop := g.store.RegistryChanges()
	defer stop()
	ticker := time.NewTicker(g.options.Heartbeat)
	defer ticker.Stop()
	for {
		workers := false
		select {
		case <-changes:
		case <-ticker.C:
			workers = true // each is a question to the store
		case <-g.closing.Done():
			return
		}
		for _, each := range g.waiters.all() {
			if workers || each.grant.Execution == nil {
				g.endIfVoid(each)
			}
		}
	}
}

func (g *Gateway) endIfVoid(w *waiter) {
	ctx, cancel := context.WithTimeout(g.closing, g.options.Heartbeat)
	defer cancel()
	// Where it cannot be found out, the waiter may stay: it hears nothing either.
	if stands, err := g.store.Stands(ctx, w.grant); err == nil && !stands {
		w.end(wire.APIKeyIsInvalid)
	}
}
