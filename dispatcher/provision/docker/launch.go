package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

// lookEvery is how often a container that another launcher is about to start is
// looked at.
const lookEvery = 50 * time.Millisecond

// Launch implements provision.Provisioner. The package documentation explains its
// steps. It pulls the image where the engine does not have it.
func (p *Provisioner) Launch(ctx context.Context, intent provision.Intent) (multinode.Worker, error) {
	ctx, done := p.until(ctx)
	defer done()
	if err := check(intent); err != nil {
		return multinode.Worker{}, fmt.Errorf("launching a worker: %w", permanent(err))
	}
	if err := p.launch(ctx, intent); err != nil {
		return multinode.Worker{}, fmt.Errorf("launching a worker: %w", failure(err))
	}
	return p.handle(intent.ExecutionID), nil
}

// check refuses what can never work.
func check(intent provision.Intent) error {
	err := intent.Validate()
	if intent.Image == "" {
		err = errors.Join(err, errors.New("the version has no container image; deploy the project again"))
	} else if !byDigest(intent.Image) {
		err = errors.Join(err, fmt.Errorf("the image %q is not named by digest; deploy the project again", intent.Image))
	}
	return err
}

func (p *Provisioner) launch(ctx context.Context, intent provision.Intent) error {
	id := intent.ExecutionID
	release, err := p.turns.take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if there, err := p.before(ctx, id); there || err != nil {
		return err
	}
	unreserve, err := p.reserve(ctx, intent)
	if err != nil {
		return err
	}
	defer unreserve()
	for {
		err := p.create(ctx, intent)
		if !errdefs.IsConflict(err) {
			return err
		}
		// Another launcher was faster.
		if there, err := p.before(ctx, id); there || err != nil {
			return err
		}
	}
}

// before answers for a container that is there already. It returns false when the
// name is free.
func (p *Provisioner) before(ctx context.Context, id string) (there bool, err error) {
	giveUp := time.Now().Add(p.options.TakeOver)
	for {
		c, err := p.engine.ContainerInspect(ctx, p.name(id))
		if errdefs.IsNotFound(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if started(c.State.Status) {
			p.again(id, c)
			return true, nil
		}
		mine := c.Config.Labels[labelLauncher] == p.self // whose turn this is
		if mine || time.Now().After(giveUp) {
			// By its ID, and not by force: it may have been replaced, or run by now.
			err := p.engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{RemoveVolumes: true})
			if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
				return false, err
			}
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return false, err
		}
	}
}

// create makes the container and starts it. It leaves none that did not start.
func (p *Provisioner) create(ctx context.Context, intent provision.Intent) error {
	image, err := p.image(ctx, intent.Image)
	if err != nil {
		return err
	}
	network, err := p.network(ctx)
	if err != nil {
		return err
	}
	config, host := p.configure(intent, image, network)
	begun := time.Now()
	made, err := p.engine.ContainerCreate(ctx, config, host, nil, nil, p.name(intent.ExecutionID))
	if err != nil {
		return err
	}
	failpoint.Hit("docker.created")
	err = ctx.Err()
	if time.Since(begun) > p.options.TakeOver/2 {
		err = errors.New("the engine took too long to create the container") // another may think that nobody starts it
	}
	if err == nil {
		p.meet(intent.ExecutionID, made.ID)
		err = p.engine.ContainerStart(ctx, made.ID, container.StartOptions{})
	}
	if err == nil {
		failpoint.Hit("docker.started")
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err() // it may run or not: whoever launches or stops it sees
	}
	if errdefs.IsNotFound(err) {
		p.forgetNetwork() // it is that, or the container, that somebody has removed
	}
	p.forget(intent.ExecutionID, made.ID)
	failed := p.engine.ContainerRemove(ctx, made.ID, container.RemoveOptions{RemoveVolumes: true, Force: true})
	if errdefs.IsNotFound(failed) {
		failed = fmt.Errorf("the worker %s was stopped while it was launched", intent.ExecutionID)
	}
	return failure(fmt.Errorf("the container cannot be started: %w", errors.Join(err, failed)))
}

// again answers for a worker that was started before, here or elsewhere. When it
// has ended, its notice is sent again.
func (p *Provisioner) again(id string, c container.InspectResponse) {
	w := p.meet(id, c.ID)
	if !alive(c.State.Status) {
		p.mu.Lock()
		w.told = false
		p.mu.Unlock()
		p.spawn(func() { p.look(w) })
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
