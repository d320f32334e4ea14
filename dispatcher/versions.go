package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/dispatcher/build/container"
	"multinode/internal/failpoint"
	"multinode/streams"
)

const (
	// claimFor is how long a claim on a version lasts without renewal.
	claimFor = 30 * time.Second
	// claimRenewal is well below it.
	claimRenewal = 10 * time.Second
)

// errClaimed means that another dispatcher prepares the version, or that nobody is
// to any more.
var errClaimed = errors.New("another dispatcher prepares this version, or its project is being undeployed")

// preparation is this dispatcher's work on a version. It may have been suspended at
// any step of it, while its claim ran out and was taken, or the project was
// undeployed: what it writes depends on the claim, in the same compare and set.
type preparation struct {
	*Dispatcher
	project  multinode.Project
	version  multinode.Version
	preparer string
}

// prepare makes a version ready to serve, or failed, if this dispatcher gets to
// claim it.
func (d *Dispatcher) prepare(ctx context.Context, p multinode.Project, v multinode.Version) {
	log := d.log.With("project", p.Name, "version", v.ID)
	err := d.whilePreparing(ctx, p, v, func(ctx context.Context, w *preparation) error { return w.prepare(ctx) })
	if errors.Is(err, errClaimed) {
		log.Debug("a version is left to others", "error", err)
		return
	}
	if err != nil && ctx.Err() == nil {
		log.Error("a version could not be prepared; it will be tried again", "error", err)
		wait(ctx, troubleDelay)
	}
}

// whilePreparing claims the version and runs do, or returns errClaimed. The context of
// do ends where the claim is lost.
func (d *Dispatcher) whilePreparing(ctx context.Context, p multinode.Project, v multinode.Version, do func(context.Context, *preparation) error) error {
	w := &preparation{Dispatcher: d, project: p, version: v, preparer: multinode.NewID("preparer")}
	if err := w.claim(ctx); err != nil {
		if !errors.Is(err, errClaimed) && !errors.Is(err, streams.ErrNotFound) && ctx.Err() == nil {
			d.log.Warn("a version could not be claimed", "version", v.ID, "error", err)
		}
		return errClaimed
	}
	defer w.release(ctx)
	ctx, lost := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer lost()
	keeping.Go(func() { w.keepClaim(ctx, lost) })
	err := do(ctx, w)
	if ctx.Err() != nil {
		return errClaimed
	}
	return err
}

// prepare makes the version ready to serve, or failed.
func (w *preparation) prepare(ctx context.Context) error {
	failpoint.Hit("dispatcher.version_claimed")
	made, err := w.make(ctx, w.version)
	failpoint.Hit("dispatcher.version_built")
	var failure *build.Failure
	switch {
	case errors.As(err, &failure):
		err = w.fail(ctx, failure.Detail)
	case errors.Is(err, streams.ErrNotFound):
		// An undeploy of the last other version with the same code removed it just
		// after this one was made to rely on it.
		err = w.fail(ctx, "the uploaded code is not there any more: deploy it again")
	case err == nil:
		err = w.activate(ctx, made)
	case ctx.Err() == nil:
		w.Store.ReportProgress(w.version, "the server had a problem and tries again: "+err.Error())
	}
	return err
}

// make prepares a version's code and learns its functions: from the code, or from
// the version's definition where there is an image only.
func (d *Dispatcher) make(ctx context.Context, v multinode.Version) (container.Result, error) {
	progress := func(line string) { d.Store.ReportProgress(v, line) }
	switch {
	case v.Bundle == "":
		return container.Result{Functions: v.Functions}, nil
	case d.Images != nil:
		return d.Images.Prepare(ctx, v, progress)
	}
	environment, err := d.Store.VersionEnvironment(ctx, v)
	if err != nil {
		return container.Result{}, err
	}
	result, err := d.Builder.Prepare(ctx, build.Source{
		Digest: v.Bundle, Bundle: d.fetch(ctx, v.Bundle), Environment: environment,
	}, progress)
	noteContainersOnly(v, result.Functions, progress)
	return container.Result{Functions: result.Functions}, err
}

// noteContainersOnly tells what the deployer asked for in vain.
func noteContainersOnly(v multinode.Version, functions []multinode.FunctionSpec, tell func(string)) {
	if v.Python != "" {
		tell("This server runs processes: they have its own Python, whatever .python-version says")
	}
	for _, f := range functions {
		if f.Image != "" {
			tell("This server runs processes: docker_image_override of " + f.Name + " has no effect")
		}
	}
}

// activate makes the version serve, step by step; each may be repeated.
func (w *preparation) activate(ctx context.Context, made container.Result) error {
	// Requests may be delivered as soon as there are streams: the version has to
	// know its functions by then.
	v, err := w.update(ctx, func(stored *multinode.Version) {
		stored.Functions, stored.Built = made.Functions, made.Images
	})
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.functions_noted")
	err = w.Store.Activate(ctx, v)
	if errors.Is(err, streams.ErrTaken) {
		// A preparer that was suspended may have made streams of an earlier project.
		if _, err := w.Store.RemoveStrays(ctx); err != nil {
			return err
		}
		err = w.Store.Activate(ctx, v)
	}
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.version_activated")
	_, err = w.Store.UpdateProject(ctx, w.project.Name, w.project.Generation, func(stored *multinode.Project) error {
		if err := w.check(ctx); err != nil {
			return err
		}
		// A version that was made later, and was ready sooner, stays the latest.
		if latest, err := w.Store.Version(ctx, *stored, stored.LatestVersion); err != nil || latest.CreatedAt.Before(v.CreatedAt) {
			stored.LatestVersion = v.ID
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.latest_moved")
	_, err = w.update(ctx, func(stored *multinode.Version) { stored.State, stored.Claim = multinode.VersionReady, nil })
	failpoint.Hit("dispatcher.version_ready")
	return err
}

func (w *preparation) fail(ctx context.Context, detail string) error {
	_, err := w.update(ctx, func(stored *multinode.Version) {
		stored.State, stored.Failure, stored.Claim = multinode.VersionFailed, truncate(detail), nil
	})
	return err
}

// update changes the version while the claim on it is this preparer's: errClaimed
// where it is not.
func (w *preparation) update(ctx context.Context, change func(*multinode.Version)) (multinode.Version, error) {
	return w.Store.UpdateVersion(ctx, w.project, w.version.ID, func(stored *multinode.Version) error {
		if !w.holds(*stored) {
			return errClaimed
		}
		change(stored)
		return nil
	})
}

// holds tells whether the claim is this preparer's. One that has run out still is,
// until somebody takes it.
func (w *preparation) holds(v multinode.Version) bool {
	return v.State == w.version.State && v.Claim != nil && v.Claim.By == w.preparer
}

// check is for what cannot depend on the claim in one write.
func (w *preparation) check(ctx context.Context) error {
	v, err := w.Store.CurrentVersion(ctx, w.project, w.version.ID)
	if err == nil && !w.holds(v) {
		err = errClaimed
	}
	return err
}

// claim takes or renews the right to prepare the version.
func (w *preparation) claim(ctx context.Context) error {
	_, err := w.Store.UpdateVersion(ctx, w.project, w.version.ID, func(stored *multinode.Version) error {
		if !claimable(*stored, w.version.State, w.preparer) {
			return errClaimed
		}
		stored.Claim = &multinode.Claim{By: w.preparer, Until: time.Now().UTC().Add(claimFor)}
		return nil
	})
	return err
}

// claimable tells whether the version is still in the state in which it was seen, as a
// ready one is prepared again for other compute, and nobody's but this preparer's.
func claimable(v multinode.Version, state multinode.VersionState, preparer string) bool {
	return v.State == state &&
		(v.Claim == nil || v.Claim.By == preparer || !time.Now().Before(v.Claim.Until))
}

// releasePatience bounds the release of a claim, which runs out by itself too.
const releasePatience = 2 * time.Second

// release gives a claim back, also at the end of the dispatcher: nobody has to
// wait for it to run out.
func (w *preparation) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releasePatience)
	defer cancel()
	_, err := w.update(ctx, func(stored *multinode.Version) { stored.Claim = nil })
	if err != nil && !errors.Is(err, errClaimed) && !errors.Is(err, streams.ErrNotFound) {
		w.log.Warn("a claim was not given back and has to run out", "version", w.version.ID, "error", err)
	}
}

// keepClaim renews the claim until ctx ends. It gives the work up where the claim
// is lost, or the project is being undeployed.
func (w *preparation) keepClaim(ctx context.Context, lost func()) {
	changes, stop := w.Store.RegistryChanges()
	defer stop()
	tick := time.NewTicker(claimRenewal)
	defer tick.Stop()
	for !w.undeploying(ctx, w.project.Name, w.project.Generation) {
		select {
		case <-changes:
		case <-tick.C:
			if err := w.claim(ctx); errors.Is(err, errClaimed) {
				lost()
				return
			}
		case <-ctx.Done():
			return
		}
	}
	lost()
}
