package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams/index"
)

// undeployPoll is how often an undeploy looks whether everything has ended.
const undeployPoll = 250 * time.Millisecond

// undeploying tells whether the project takes nothing any more.
func (d *Dispatcher) undeploying(ctx context.Context, project, generation string) bool {
	p, err := d.Store.Project(ctx, project)
	return err == nil && p.Generation == generation && p.Deleting()
}

// undeploy takes a project apart: no new requests, then an end to everything in
// flight, then the removal of what is stored. Several dispatchers may do this at
// a time, and again after a crash.
func (d *Dispatcher) undeploy(ctx context.Context, p multinode.Project) {
	for ctx.Err() == nil {
		gone, err := d.undeployPass(ctx, p)
		if err != nil && ctx.Err() == nil {
			d.log.Warn("an undeploy did not get on; it will be tried again", "project", p.Name, "error", err)
			wait(ctx, troubleDelay)
			continue
		}
		if gone {
			return
		}
		wait(ctx, undeployPoll)
	}
}

func (d *Dispatcher) undeployPass(ctx context.Context, p multinode.Project) (gone bool, err error) {
	if ended, err := d.endPreparations(ctx, p); !ended || err != nil {
		return false, err
	}
	failpoint.Hit("dispatcher.preparations_ended")
	if err := d.Store.Retire(ctx, p); err != nil {
		return false, err
	}
	failpoint.Hit("dispatcher.retired")
	// Asked before the index, so that what was settled since is in it.
	drained, err := d.Store.Drained(ctx, p)
	if err != nil {
		return false, err
	}
	revision, err := d.Store.RecordsRevision(ctx)
	if err != nil {
		return false, err
	}
	if err := d.Index.WaitFor(ctx, revision); err != nil {
		return false, err
	}
	unfinished := 0
	var cancelErr error
	err = d.Index.Unfinished(p.Name, p.Generation, func(e index.Entry) bool {
		unfinished++
		if e.CancelRequestedAt == nil {
			_, _, err := d.Store.PassCancelOn(ctx, e.Key)
			failpoint.Hit("dispatcher.undeploy_cancelled")
			cancelErr = ignoreGone(err)
		}
		return cancelErr == nil
	})
	if err := errors.Join(err, cancelErr); err != nil || unfinished > 0 || !drained {
		return false, err
	}
	failpoint.Hit("dispatcher.drained")
	if err := d.Store.DeleteProject(ctx, p); err != nil {
		return false, err
	}
	failpoint.Hit("dispatcher.undeployed")
	d.log.Info("a project was undeployed", "project", p.Name)
	if d.Builder == nil {
		return true, nil // tendImages sees that there is less to keep
	}
	return true, d.Builder.Keep(d.Store.BundlesInUse())
}

// endPreparations sees to it that no version is being prepared any more: it would
// make streams behind the undeploy's back.
func (d *Dispatcher) endPreparations(ctx context.Context, p multinode.Project) (ended bool, err error) {
	versions, err := d.Store.Versions(ctx, p)
	if err != nil {
		return false, err
	}
	for _, v := range versions {
		if v.State != multinode.VersionPreparing {
			continue
		}
		_, err := d.Store.UpdateVersion(ctx, p, v.ID, func(stored *multinode.Version) error {
			if !claimable(*stored, multinode.VersionPreparing, "") {
				return errClaimed
			}
			stored.State, stored.Failure, stored.Claim = multinode.VersionFailed, "the project was undeployed", nil
			return nil
		})
		if errors.Is(err, errClaimed) {
			return false, nil // whoever prepares it is about to give it up
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// wait pauses until the time is over or ctx ends.
func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
