package index

import (
	"context"
	"sync"
)

// progress is how far the index has come, for those who wait for that.
type progress struct {
	mu      sync.Mutex
	applied uint64
	// target is the revision that the records had when the feed began.
	target  uint64
	fed     bool // target is known
	damaged bool // the file is to be made again
	ready   bool
	closed  bool
	waits   map[*wait]struct{}
}

// wait is for a revision, and for being ready if that is asked for.
type wait struct {
	revision uint64
	ready    bool
	done     chan struct{}
}

func (p *progress) isReady() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ready
}

// revision returns the one that the file stands at.
func (p *progress) revision() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied
}

// reset is called with the revision of a file that was opened.
func (p *progress) reset(applied uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied, p.ready, p.fed, p.damaged = applied, false, false, false
}

// damage takes readiness away until the file was made again.
func (p *progress) damage() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.damaged, p.ready = true, false
}

// begin sets what there is to catch up with.
func (p *progress) begin(target uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target, p.fed = target, true
	p.settle()
}

// advance is called after a revision was committed.
func (p *progress) advance(applied uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = max(p.applied, applied)
	p.settle()
}

func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.ready = true, false
	for w := range p.waits {
		close(w.done)
	}
	p.waits = nil
}

// settle lets those go who wait for what has been reached.
func (p *progress) settle() {
	if p.fed && p.applied >= p.target && !p.damaged && !p.closed {
		p.ready = true
	}
	for w := range p.waits {
		if p.reached(w) {
			close(w.done)
			delete(p.waits, w)
		}
	}
}

func (p *progress) reached(w *wait) bool {
	return p.applied >= w.revision && (p.ready || !w.ready)
}

func (p *progress) wait(ctx context.Context, revision uint64, ready bool) error {
	w := &wait{revision: revision, ready: ready, done: make(chan struct{})}
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return ErrClosed
	case p.reached(w):
		p.mu.Unlock()
		return nil
	}
	if p.waits == nil {
		p.waits = map[*wait]struct{}{}
	}
	p.waits[w] = struct{}{}
	p.mu.Unlock()

	var ended error
	select {
	case <-w.done:
	case <-ctx.Done():
		ended = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waits, w)
	if ended == nil && p.closed {
		return ErrClosed
	}
	return ended
}
