package streams

import "sync"

// noticeHub tells listeners, without saying more, that something under a key
// changed. Notices are coalesced: a slow listener gets one for many changes and
// never holds up the sender.
type noticeHub struct {
	// start begins what feeds the hub, when the first listener comes.
	start func() error

	mu        sync.Mutex
	started   bool
	listeners map[string]map[chan struct{}]struct{}
}

// listen returns a channel that gets a notice for each change under the key, and
// a function that ends this.
func (h *noticeHub) listen(key string) (<-chan struct{}, func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.started && h.start != nil {
		if err := h.start(); err != nil {
			return nil, nil, err
		}
	}
	h.started = true
	c := make(chan struct{}, 1)
	if h.listeners == nil {
		h.listeners = map[string]map[chan struct{}]struct{}{}
	}
	if h.listeners[key] == nil {
		h.listeners[key] = map[chan struct{}]struct{}{}
	}
	h.listeners[key][c] = struct{}{}
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners[key], c)
		if len(h.listeners[key]) == 0 {
			delete(h.listeners, key)
		}
	}, nil
}

func (h *noticeHub) notify(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.listeners[key] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
