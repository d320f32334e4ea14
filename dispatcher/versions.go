package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/internal/failpoint"
	"multinode/streams"
)

const (
	// claimFor is how long a claim on a version lasts without renewal.
	claimFor = 30 * time.Second
	// claimRenewal is well below it.
	claimRenewal = 10 * time.Second
)

// errClaimed means that another dispatcher prepares the version.
var errClaimed = errors.New("another dispatcher prepares this version")

// prepare makes a version ready to serve, or failed, if this dispatcher gets to
// claim it.
func (d *Dispatcher) prepare(ctx context.Context, p multinode.Project, v multinode.Version) {
	log := d.log.With("project", p.Name, "version", v.ID)
	preparer := multinode.NewID("preparer")
	if err := d.claim(ctx, p, v.ID, preparer); err != nil {
		if !errors.Is(err, errClaimed) && !errors.Is(err, streams.ErrNotFound) && ctx.Err() == nil {
			log.Warn("a version could not be claimed", "error", err)
		}
		return
	}
	defer d.release(ctx, p, v.ID, preparer)
	ctx, lost := context.WithCancel(ctx)
	var keeping sync.WaitGroup
	defer keeping.Wait()
	defer lost()
	keeping.Go(func() { d.keepClaim(ctx, lost, p, v.ID, preparer) })

	failpoint.Hit("dispatcher.version_claimed")
	functions, err := d.functionsOf(ctx, v)
	failpoint.Hit("dispatcher.version_built")
	var failure *build.Failure
	switch {
	case errors.As(err, &failure):
		err = d.fail(ctx, p, v, failure.Detail)
	case errors.Is(err, streams.ErrNotFound):
		// An undeploy of the last other version with the same code removed it just
		// after this one was made to rely on it.
		err = d.fail(ctx, p, v, "the uploaded code is not there any more: deploy it again")
	case err == nil:
		err = d.activate(ctx, p, v, functions)
	case ctx.Err() == nil:
		d.Store.ReportProgress(v, "the server had a problem and tries again: "+err.Error())
	}
	if err != nil && ctx.Err() == nil {
		log.Error("a version could not be prepared; it will be tried again", "error", err)
		wait(ctx, troubleDelay)
	}
}

// functionsOf learns a version's functions: from its code, or from its
// definition where it is an image.
func (d *Dispatcher) functionsOf(ctx context.Context, v multinode.Version) ([]multinode.FunctionSpec, error) {
	if v.Bundle == "" {
		return v.Functions, nil
	}
	environment, err := d.Store.VersionEnvironment(ctx, v)
	if err != nil {
		return nil, err
	}
	result, err := d.Builder.Prepare(ctx, build.Source{
		Digest: v.Bundle, Bundle: d.fetch(ctx, v.Bundle), Environment: environment,
	}, func(line string) { d.Store.ReportProgress(v, line) })
	return result.Functions, err
}

// activate makes the version serve, step by step; each may be repeated.
func (d *Dispatcher) activate(ctx context.Context, p multinode.Project, v multinode.Version, functions []multinode.FunctionSpec) error {
	// Requests may be delivered as soon as there are streams: the version has to
	// know its functions by then.
	v, err := d.Store.UpdateVersion(ctx, p, v.ID, func(stored *multinode.Version) error {
		stored.Functions = functions
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.functions_noted")
	if err := d.Store.Activate(ctx, v); err != nil {
		return err
	}
	failpoint.Hit("dispatcher.version_activated")
	_, err = d.Store.UpdateProject(ctx, p.Name, p.Generation, func(stored *multinode.Project) error {
		// A version that was made later, and was ready sooner, stays the latest.
		if latest, err := d.Store.Version(ctx, *stored, stored.LatestVersion); err != nil || latest.CreatedAt.Before(v.CreatedAt) {
			stored.LatestVersion = v.ID
		}
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.latest_moved")
	_, err = d.Store.UpdateVersion(ctx, p, v.ID, func(stored *multinode.Version) error {
		stored.State, stored.Claim = multinode.VersionReady, nil
		return nil
	})
	failpoint.Hit("dispatcher.version_ready")
	return err
}

func (d *Dispatcher) fail(ctx context.Context, p multinode.Project, v multinode.Version, detail string) error {
	_, err := d.Store.UpdateVersion(ctx, p, v.ID, func(stored *multinode.Version) error {
		stored.State, stored.Failure, stored.Claim = multinode.VersionFailed, truncate(detail), nil
		return nil
	})
	return err
}

// claim takes or renews the right to prepare a version.
func (d *Dispatcher) claim(ctx context.Context, p multinode.Project, version, preparer string) error {
	_, err := d.Store.UpdateVersion(ctx, p, version, func(stored *multinode.Version) error {
		if !claimable(*stored, preparer) {
			return errClaimed
		}
		stored.Claim = &multinode.Claim{By: preparer, Until: time.Now().UTC().Add(claimFor)}
		return nil
	})
	return err
}

// claimable tells whether the version is still to be prepared, and by nobody but
// this preparer.
func claimable(v multinode.Version, preparer string) bool {
	return v.State == multinode.VersionPreparing &&
		(v.Claim == nil || v.Claim.By == preparer || !time.Now().Before(v.Claim.Until))
}

// releasePatience bounds the release of a claim, which runs out by itself too.
const releasePatience = 2 * time.Second

// release gives a claim back, also at the end of the dispatcher: nobody has to
// wait for it to run out.
func (d *Dispatcher) release(ctx context.Context, p multinode.Project, version, preparer string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releasePatience)
	defer cancel()
	_, err := d.Store.UpdateVersion(ctx, p, version, func(stored *multinode.Version) error {
		if stored.Claim == nil || stored.Claim.By != preparer {
			return errClaimed
		}
		stored.Claim = nil
		return nil
	})
	if err != nil && !errors.Is(err, errClaimed) && !errors.Is(err, streams.ErrNotFound) {
		d.log.Warn("a claim was not given back and has to run out", "version", version, "error", err)
	}
}

// keepClaim renews the claim until ctx ends. It gives the work up where the claim
// is lost, or the project is being undeployed.
func (d *Dispatcher) keepClaim(ctx context.Context, lost func(), p multinode.Project, version, preparer string) {
	changes, stop := d.Store.RegistryChanges()
	defer stop()
	tick := time.NewTicker(claimRenewal)
	defer tick.Stop()
	for !d.undeploying(ctx, p.Name, p.Generation) {
		select {
		case <-changes:
		case <-tick.C:
			if err := d.claim(ctx, p, version, preparer); errors.Is(err, errClaimed) {
				lost()
				return
			}
		case <-ctx.Done():
			return
		}
	}
	lost()
}
