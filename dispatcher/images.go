package dispatcher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

const (
	// imagesInterval is how often images are cleaned away where no version has gone.
	imagesInterval = time.Hour
	// imagesRetry is when that is tried again, where a build was in the way.
	imagesRetry = 5 * time.Second
	// imageDelay is how long a launch waits for an image that is being made, at a time.
	imageDelay = 2 * time.Second
	// rebuildPause is how long a version is left alone after its images could not be made.
	rebuildPause = time.Minute
	// maxMissing bounds the versions that wait for their images to be begun.
	maxMissing = 64
)

// errNoImage is why a launch waits.
var errNoImage = errors.New("the container image of its version is being made, as processes have run it so far")

// missing are versions whose images have to be made though they are ready: processes
// ran them so far.
type missing struct {
	queue chan multinode.Version

	clock  clockwork.Clock
	mu     sync.Mutex
	failed map[string]failedBuild // by version, until the next success
}

type failedBuild struct {
	err error
	at  time.Time
}

func newMissing(clock clockwork.Clock) *missing {
	return &missing{queue: make(chan multinode.Version, maxMissing), clock: clock, failed: map[string]failedBuild{}}
}

// want asks for a version's images, and returns why it has none yet. All launches of a
// version ask: one that fails is not begun anew as often.
func (m *missing) want(v multinode.Version) error {
	m.mu.Lock()
	before, failed := m.failed[v.ID]
	m.mu.Unlock()
	if !failed || m.clock.Since(before.at) >= rebuildPause {
		select {
		case m.queue <- v:
		default: // the launch asks again
		}
	}
	if failed {
		return before.err
	}
	return &provision.Error{Kind: provision.Transient, RetryAfter: imageDelay, Err: errNoImage}
}

func (m *missing) ended(v multinode.Version, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if delete(m.failed, v.ID); err != nil {
		m.failed[v.ID] = failedBuild{err, m.clock.Now()}
	}
}

// imageOf returns the image of a function. Where there is none the launch is put off.
func (d *Dispatcher) imageOf(v multinode.Version, function string) (string, error) {
	if image := v.BuiltFor(function); d.Images.Has(image) {
		return image, nil
	}
	return "", d.missing.want(v)
}

// lacksImages tells whether a function of the version has no image.
func (d *Dispatcher) lacksImages(v multinode.Version) bool {
	return v.Bundle != "" && slices.ContainsFunc(v.Functions, func(f multinode.FunctionSpec) bool { return !d.Images.Has(v.Built[f.Image]) })
}

// rebuild makes the images of a version that is ready. Nothing else of it changes.
func (d *Dispatcher) rebuild(ctx context.Context, v multinode.Version) {
	p, err := d.Store.Project(ctx, v.Project)
	if err != nil || p.Generation != v.Generation || p.Deleting() {
		return
	}
	err = d.whilePreparing(ctx, p, v, func(ctx context.Context, w *preparation) error {
		made, err := d.Images.Prepare(ctx, v, func(string) {}) // nobody watches it
		if err != nil {
			return err
		}
		_, err = w.update(ctx, func(stored *multinode.Version) { stored.Built, stored.Claim = made.Images, nil })
		return err
	})
	if errors.Is(err, errClaimed) || errors.Is(err, streams.ErrNotFound) || ctx.Err() != nil {
		return
	}
	if err != nil {
		d.log.Error("the images of a version could not be made; it will be tried again", "version", v.ID, "error", err)
	}
	d.missing.ended(v, err)
}

// tendImages makes missing images, and cleans away those that nothing needs.
func (d *Dispatcher) tendImages(ctx context.Context) error {
	if d.Images == nil {
		return nil
	}
	changes, stop := d.Store.RegistryChanges()
	defer stop()
	tick, retry := d.Clock.NewTicker(imagesInterval), d.Clock.NewTicker(imagesRetry)
	defer tick.Stop()
	defer retry.Stop()
	work := newSingles()
	defer work.wait()
	var used []string
	for due := true; ; {
		if due {
			done, err := d.Images.Keep(ctx)
			if due = !done || err != nil; err != nil && ctx.Err() == nil {
				d.log.Warn("images that nothing needs could not all be removed", "error", err)
			}
		}
		select {
		case v := <-d.missing.queue:
			if now, err := d.Store.Version(ctx, multinode.Project{Name: v.Project, Generation: v.Generation}, v.ID); err == nil && d.lacksImages(now) {
				work.start(v.ID, func() { d.rebuild(ctx, now) })
			}
			continue
		case <-changes:
			before := used
			used = d.Store.ImagesInUse()
			if !slices.ContainsFunc(before, func(image string) bool { return !slices.Contains(used, image) }) {
				continue
			}
			due = true
		case <-tick.Chan():
			due = true
		case <-retry.Chan():
		case <-ctx.Done():
			return nil
		}
	}
}
