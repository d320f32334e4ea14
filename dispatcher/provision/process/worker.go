package process

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"

	"multinode/dispatcher/provision"
)

// worker is one that was started, by whomever, and is watched.
type worker struct {
	folder    folder
	process   identity
	seenAlive bool
	stopping  atomic.Bool
	end       *ending

	mu    sync.Mutex
	known map[identity]bool

	// done is closed when the runner has ended and what it left was killed. The
	// fields below are set by then.
	done chan struct{}
	exit provision.Exit
	left error // why something may still live
}

func (w *worker) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// slot is one of MaxWorkers, held by whoever launches until it goes over to the
// worker.
type slot struct{ held bool }

// adopt watches the worker in the folder, if that is not done already. It uses the
// caller's slot, if he holds one, and else takes one without asking whether it is
// free: the worker is there.
func (p *Provisioner) adopt(f folder, s *slot) (*worker, error) {
	r, err := f.record()
	if errors.Is(err, fs.ErrNotExist) && !f.exists() {
		return nil, err // removed meanwhile
	}
	if err != nil {
		// Nobody can find its process any more, but what carries its mark.
		p.log(f.id()).Error("worker record unreadable", slog.Any("error", err))
		r = record{Boot: bootID()}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[f.id()]; w != nil && w.process == r.process() {
		return w, nil
	}
	if p.closed {
		return nil, ErrClosed
	}
	w := &worker{
		folder:    f,
		process:   r.process(),
		seenAlive: r.process().alive(),
		end:       newEnding(r.process(), p.options.PollInterval),
		known:     map[identity]bool{},
		done:      make(chan struct{}),
	}
	w.stopping.Store(f.stopping())
	p.workers[f.id()] = w
	if !s.held {
		p.taken++
	}
	s.held = false
	p.tasks.Go(func() { p.watch(w) })
	return w, nil
}

// watch sees the worker's end, ends what it left behind, and tells.
func (p *Provisioner) watch(w *worker) {
	if !w.end.wait() {
		return
	}
	oom := p.kills.struck(w.process.pid)
	// Swept before it is reaped: a zombie keeps its pid, and so the number of its
	// session, from being used again.
	if w.left = w.belonging().sweep(); w.left != nil {
		p.log(w.folder.id()).Warn("processes of a worker remain", slog.Any("error", w.left))
	}
	status, known := w.process.reap()
	w.exit = w.explain(status, known, oom)
	p.free(&slot{held: true})
	close(w.done)
	p.notify(w.exit)
}

// notify waits until the notice is taken, or the provisioner is closed.
func (p *Provisioner) notify(exit provision.Exit) {
	select {
	case p.exits <- exit:
	case <-p.closing:
	}
}

// notifyAgain is for those who launch what has ended already.
func (p *Provisioner) notifyAgain(w *worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed && w.ended() {
		p.tasks.Go(func() { p.notify(w.exit) })
	}
}

// reserve takes a slot if one is free.
func (p *Provisioner) reserve() (*slot, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if limit := p.options.MaxWorkers; limit > 0 && p.taken >= limit {
		return nil, full(limit)
	}
	p.taken++
	return &slot{held: true}, nil
}

// free gives back the slot, unless it went over to a worker.
func (p *Provisioner) free(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.held {
		s.held = false
		p.taken--
	}
}
