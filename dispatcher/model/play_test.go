package model_test

import (
	"errors"
	"fmt"
	"time"

	"multinode"
	"multinode/streams"
)

// invocation is what the test knows of one that it started.
type invocation struct {
	step   step
	key    multinode.InvocationKey
	parent *invocation
	input  string
	script *script
	// cancelled is set once a cancel of it was answered without an error, doomed
	// where one of an ancestor was before it was started.
	cancelled, doomed bool
	swept             bool
}

// takenAlong tells whether a cancel of it or of an ancestor has been answered.
func (i *invocation) takenAlong() bool {
	for ; i != nil; i = i.parent {
		if i.cancelled {
			return true
		}
	}
	return false
}

func (w *world) play(steps []step) {
	for _, s := range steps {
		switch s.Do {
		case start:
			w.start(s)
			continue
		case crash, restart:
			n := s.Of % len(w.nodes)
			if s.Do == crash && w.clock == nil {
				w.nodes[n].crash()
			} else {
				w.nodes[n].stop()
			}
			w.nodes[n] = w.newNode()
			continue
		}
		if len(w.started) == 0 {
			continue
		}
		i := w.started[s.Of%len(w.started)]
		switch s.Do {
		case cancel:
			w.cancel(i)
		case release:
			i.script.release()
		case await:
			for _, other := range w.started { // any of them may hold the slot that it needs
				other.script.release()
			}
			w.end(i)
		case lose:
			w.fleet.lose(i.key.ID)
		case imposer:
			if worker, ok := w.fleet.worker(i.key.ID); ok {
				w.fleet.all.Go(func() { worker.impose(w.ctx) })
			}
		case sweep:
			w.sweep(i)
		}
	}
}

func (s *script) release() { s.once.Do(func() { close(s.released) }) }

func (w *world) start(s step) {
	i := &invocation{step: s, input: fmt.Sprintf("[[%d], {}]", len(w.started))}
	i.key = multinode.InvocationKey{
		Project: w.project.Name, Generation: w.project.Generation,
		Function: functionName(s.Function), ID: multinode.NewID(multinode.InvocationPrefix),
	}
	if s.Parent >= 0 && len(w.started) > 0 {
		i.parent = w.started[s.Parent%len(w.started)]
		i.doomed = i.parent.takenAlong()
	}
	var lineage []multinode.Ancestor
	for a := i.parent; a != nil; a = a.parent {
		i.doomed = i.doomed && !a.swept // what is kept no longer takes nothing along
		lineage = append([]multinode.Ancestor{{Function: a.key.Function, ID: a.key.ID}}, lineage...)
	}
	i.script = w.fleet.prepare(i.key.ID, i.input, s.Script)
	_, err := w.store.Accept(w.ctx, streams.Request{Key: i.key, Lineage: lineage, Input: []byte(i.input)})
	w.must(err)
	w.started = append(w.started, i)
}

func (w *world) cancel(i *invocation) {
	_, _, err := w.store.RequestCancel(w.ctx, i.key)
	switch {
	case err == nil:
		i.cancelled = true
	case i.swept && errors.Is(err, streams.ErrNotFound), errors.Is(err, multinode.ErrTerminal):
	default:
		w.must(err)
	}
}

// sweep deletes what is stored of an invocation that has ended, the request first
// and the record last.
func (w *world) sweep(i *invocation) {
	if i.swept {
		return
	}
	record, revision, err := w.store.Record(w.ctx, i.key)
	w.must(err)
	if !record.Status.Terminal() {
		return
	}
	w.fleet.mu.Lock()
	i.script.swept, i.swept = true, true
	w.fleet.mu.Unlock()
	w.must(w.store.DeleteRequest(w.ctx, i.key, record.Sequence))
	w.must(w.store.DeleteRecord(w.ctx, i.key, revision))
}

// end waits until an invocation has ended.
func (w *world) end(i *invocation) {
	w.wait(fmt.Sprintf("the end of %v", i.step), func() bool {
		record, _, err := w.store.Record(w.ctx, i.key)
		if i.swept && errors.Is(err, streams.ErrNotFound) {
			return true
		}
		w.must(err)
		return record.Status.Terminal()
	})
}

func (w *world) wait(what string, reached func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		w.clock.advance(w.fleet)
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.dump()
			w.close()
			w.t.Fatalf("waited for %s in vain", what)
		}
	}
}

// finish lets everything come to its end.
func (w *world) finish() {
	for _, i := range w.started {
		if !i.takenAlong() { // others must hear of the cancel
			i.script.release()
		}
	}
	for _, i := range w.started {
		w.end(i)
	}
	w.wait("the acknowledgement of all requests", func() bool {
		drained, err := w.store.Drained(w.ctx, w.project)
		w.must(err)
		return drained
	})
	// A worker of which no dispatcher knows is swept up by the next to start.
	for _, n := range w.nodes {
		n.stop()
	}
	w.nodes = []*node{w.newNode()}
	w.wait("the end of all workers", func() bool { return w.fleet.size() == 0 })
}
