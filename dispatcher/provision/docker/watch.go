package docker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"multinode/dispatcher/provision"
)

const (
	// reconnect is the pause before a broken stream of events is opened again.
	reconnect = 500 * time.Millisecond
	// oomPatience is how long the word that memory ran out may come after the end.
	oomPatience = 500 * time.Millisecond
	// overlap is how far back events are asked for when their stream begins: an engine
	// tells of an end a little sooner than its list shows it. To hear of one again does
	// no harm.
	overlap = 10 * time.Second
)

// worker is one that was started, by whomever, and is watched.
type worker struct {
	id, container string
	oom           chan struct{} // closed when memory ran out
	// These are guarded by Provisioner.mu.
	starved, stopping, told bool
}

// meet returns the worker in the container, and watches it from then on.
func (p *Provisioner) meet(id, container string) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[id]
	if w == nil || w.container != container {
		w = &worker{id: id, container: container, oom: make(chan struct{})}
		p.workers[id] = w
	}
	return w
}

// forget drops the worker, unless its ID has another container by now.
func (p *Provisioner) forget(id, container string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.workers[id]; w != nil && w.container == container {
		delete(p.workers, id)
	}
}

// spawn runs a task that Close waits for, unless it is closed already.
func (p *Provisioner) spawn(task func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.tasks.Go(task)
	}
}

// watch listens to the engine until the provisioner is closed.
func (p *Provisioner) watch() {
	for {
		err := p.listen()
		if p.life.Err() != nil {
			return
		}
		p.options.Logger.Warn("the Docker engine does not tell what happens; trying again", slog.Any("error", err))
		if sleep(p.life, reconnect) != nil {
			return
		}
	}
}

// listen follows the events from about now on. What happened before is found by a look
// at everything, after the stream has begun: nothing falls in between.
func (p *Provisioner) listen() error {
	ctx, cancel := context.WithCancel(p.life)
	defer cancel()
	info, err := p.engine.Info(ctx)
	if err != nil {
		return err
	}
	since, err := time.Parse(time.RFC3339Nano, info.SystemTime) // the engine's clock, not ours
	if err != nil {
		return err
	}
	since = since.Add(-overlap)
	messages, failed := p.engine.Events(ctx, events.ListOptions{
		Since: fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond()),
		Filters: filters.NewArgs(p.ours(), filters.Arg("type", string(events.ContainerEventType)),
			filters.Arg("event", string(events.ActionDie)), filters.Arg("event", string(events.ActionOOM))),
	})
	if err := p.lookAtAll(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(p.options.Resync)
	defer ticker.Stop()
	for {
		select {
		case m := <-messages:
			p.hear(m)
		case err := <-failed:
			return err
		case <-ticker.C:
			if err := p.lookAtAll(ctx); err != nil {
				return err
			}
		}
	}
}

func (p *Provisioner) hear(m events.Message) {
	id := m.Actor.Attributes[labelExecution]
	if provision.ValidateExecutionID(id) != nil {
		return
	}
	p.mu.Lock()
	w := p.workers[id]
	p.mu.Unlock()
	if w == nil || w.container != m.Actor.ID {
		// Started by another, or swept up already.
		c, err := p.engine.ContainerInspect(p.life, m.Actor.ID)
		if err != nil || !started(c.State.Status) {
			return
		}
		w = p.meet(id, m.Actor.ID)
	}
	switch m.Action {
	case events.ActionOOM:
		p.mu.Lock()
		if !w.starved {
			w.starved = true
			close(w.oom)
		}
		p.mu.Unlock()
	case events.ActionDie:
		p.spawn(func() { p.look(w) })
	}
}

// lookAtAll finds what ended, or was removed, without a word.
func (p *Provisioner) lookAtAll(ctx context.Context) error {
	p.mu.Lock()
	missing := make(map[string]*worker, len(p.workers))
	for id, w := range p.workers {
		missing[id] = w
	}
	p.mu.Unlock()
	containers, err := p.containers(ctx)
	if err != nil {
		return err
	}
	for _, c := range containers {
		if !started(c.State) {
			if w := missing[c.execution()]; w != nil && w.container == c.ID {
				delete(missing, c.execution()) // about to be started
			}
			continue
		}
		w := p.meet(c.execution(), c.ID)
		delete(missing, c.execution())
		if !alive(c.State) {
			p.spawn(func() { p.look(w) })
		}
	}
	for _, w := range missing {
		p.spawn(func() { p.look(w) })
	}
	return nil
}

// look sends the worker's notice, if it has ended and was not told to have.
func (p *Provisioner) look(w *worker) {
	p.mu.Lock()
	told := w.told
	p.mu.Unlock()
	if told {
		return
	}
	c, err := p.engine.ContainerInspect(p.life, w.container)
	var exit provision.Exit
	switch {
	case errdefs.IsNotFound(err):
		p.mu.Lock()
		swept := p.workers[w.id] != w
		p.mu.Unlock()
		if swept {
			return
		}
		exit = provision.Exit{ExecutionID: w.id, Detail: "the worker's container was removed, and not by the dispatcher"}
		defer p.forget(w.id, w.container)
	case err != nil:
		return // the stream of events breaks as well, and all is looked at again
	case !started(c.State.Status) || alive(c.State.Status):
		return
	default:
		exit = p.explain(w, c)
	}
	p.mu.Lock()
	told, w.told = w.told, true
	p.mu.Unlock()
	if told {
		return
	}
	select {
	case p.exits <- exit:
	case <-p.life.Done():
	}
}
