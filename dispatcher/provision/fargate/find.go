package fargate

import (
	"context"
	"fmt"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
)

// Find implements provision.Finder. It asks the service only for what is not
// watched here.
func (p *Provisioner) Find(ctx context.Context, executionID string, h multinode.Worker, launched time.Time) (provision.Presence, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	if presence, known := p.recall(executionID); known {
		return presence, nil
	}
	task, err := p.byHandle(ctx, executionID, h)
	if task == nil && err == nil {
		task, err = p.lookup(ctx, executionID)
	}
	switch {
	case err != nil:
		return provision.Unknown, fmt.Errorf("finding the worker %s: %w", executionID, failure(err))
	case task != nil:
		p.observe(*task)
		if ended(*task) {
			return provision.Gone, nil
		}
		return provision.Alive, nil
	case launched.IsZero() || p.options.Clock.Since(launched) < missingAfter:
		return provision.Unknown, nil
	}
	return provision.Gone, nil
}

// recall says what is known here without asking.
func (p *Provisioner) recall(id string) (presence provision.Presence, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.workers[id]
	_, stopped := p.stopped[id]
	switch {
	case w == nil && !stopped:
		return provision.Unknown, false
	case w == nil || w.ended():
		return provision.Gone, true
	}
	return provision.Alive, true
}
