package docker

import (
	"context"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

// killPatience is how long the engine may take to end a container by force.
const killPatience = 30 * time.Second

// Stop implements provision.Provisioner. The runner alone gets SIGTERM: it knows
// how to end the user's code.
func (p *Provisioner) Stop(ctx context.Context, executionID string, _ multinode.Worker, grace time.Duration) error {
	ctx, done := p.until(ctx)
	defer done()
	if err := provision.ValidateExecutionID(executionID); err != nil {
		return fmt.Errorf("stopping a worker: %w", permanent(err))
	}
	if err := p.stop(ctx, executionID, grace); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("stopping the worker %s: %w", executionID, failure(err))
	}
	return nil
}

func (p *Provisioner) stop(ctx context.Context, id string, grace time.Duration) error {
	c, err := p.inspect(ctx, id)
	if err != nil || c == nil {
		return err
	}
	if started(c.State.Status) {
		w := p.meet(id, c.ID)
		if alive(c.State.Status) {
			if err := p.finish(ctx, w, grace); err != nil {
				return err
			}
			failpoint.Hit("docker.ended")
		}
		p.look(w) // while there is something to look at
	}
	if err := p.remove(ctx, c.ID); err != nil {
		return err
	}
	failpoint.Hit("docker.removed")
	p.forget(id, c.ID)
	return nil
}

// inspect returns the execution's container, when no launch of ours is under way;
// nil where there is none.
func (p *Provisioner) inspect(ctx context.Context, id string) (*container.InspectResponse, error) {
	release, err := p.turns.take(ctx, id)
	if err != nil {
		return nil, err
	}
	defer release()
	c, err := p.engine.ContainerInspect(ctx, p.name(id))
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// finish returns when the container has ended.
func (p *Provisioner) finish(ctx context.Context, w *worker, grace time.Duration) error {
	p.mu.Lock()
	w.stopping = true
	p.mu.Unlock()
	if grace > 0 {
		if err := p.signal(ctx, w, "SIGTERM"); err != nil {
			return fmt.Errorf("asking the worker to end: %w", err)
		}
		ended, err := p.await(ctx, w.container, container.WaitConditionNotRunning, grace)
		if ended || err != nil {
			return err
		}
	}
	if err := p.signal(ctx, w, "SIGKILL"); err != nil {
		return fmt.Errorf("killing the worker: %w", err)
	}
	ended, err := p.await(ctx, w.container, container.WaitConditionNotRunning, killPatience)
	if err == nil && !ended {
		err = fmt.Errorf("the container %s does not end though it was killed", w.container)
	}
	return err
}

// signal is content where nothing runs any more.
func (p *Provisioner) signal(ctx context.Context, w *worker, name string) error {
	err := p.engine.ContainerKill(ctx, w.container, name)
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}

// await waits for the container's condition, and returns false when the time is
// up. A container that is gone meets any.
func (p *Provisioner) await(ctx context.Context, id string, condition container.WaitCondition, limit time.Duration) (bool, error) {
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	met, failed := p.engine.ContainerWait(waiting, id, condition)
	select {
	case <-met:
		return true, nil
	case err := <-failed:
		switch {
		case errdefs.IsNotFound(err):
			return true, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case waiting.Err() != nil:
			return false, nil
		}
		return false, err
	}
}

// remove returns when the container and its volumes are gone, by whomever.
func (p *Provisioner) remove(ctx context.Context, id string) error {
	err := p.engine.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true, Force: true})
	if errdefs.IsConflict(err) { // another is at it
		gone, waited := p.await(ctx, id, container.WaitConditionRemoved, killPatience)
		if gone || waited != nil {
			return waited
		}
	}
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}
