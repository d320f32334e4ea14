package index

import (
	"sync"

	"multinode"
)

// hub tells those who wait for an invocation about its new entries. It never
// blocks: who is slow gets the newest entry and misses those before.
type hub struct {
	mu     sync.Mutex
	subs   map[multinode.InvocationKey]map[*subscription]struct{}
	closed bool
}

type subscription struct{ entries chan Entry }

func (h *hub) subscribe(key multinode.InvocationKey) (<-chan Entry, func()) {
	s := &subscription{entries: make(chan Entry, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(s.entries)
		return s.entries, func() {}
	}
	if h.subs == nil {
		h.subs = map[multinode.InvocationKey]map[*subscription]struct{}{}
	}
	if h.subs[key] == nil {
		h.subs[key] = map[*subscription]struct{}{}
	}
	h.subs[key][s] = struct{}{}
	return s.entries, func() { h.remove(key, s) }
}

func (h *hub) remove(key multinode.InvocationKey, s *subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs[key], s)
	if len(h.subs[key]) == 0 {
		delete(h.subs, key)
	}
}

func (h *hub) publish(entries []Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) == 0 {
		return
	}
	for _, e := range entries {
		for s := range h.subs[e.Key] {
			// Only publish sends, and under the lock: after taking out what was
			// not read there is room.
			select {
			case <-s.entries:
			default:
			}
			s.entries <- e
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for _, subs := range h.subs {
		for s := range subs {
			close(s.entries)
		}
	}
	h.subs = nil
}
