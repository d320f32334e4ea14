package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode/streams"
	"multinode/streams/index"
)

const (
	// retentionInterval is how often it is looked what is to go.
	retentionInterval = time.Minute
	// retentionFresh is how long everything is kept that has ended, however little
	// room there is: its answer may still be on the way to those who wait for it.
	retentionFresh = time.Minute
	// retentionBatch is how many are forgotten before a pause of the same length,
	// which leaves the server to others.
	retentionBatch = 64
	// retentionShare of what the server may store is what finished and unfinished
	// invocations may take, where nothing else was said: logs and what is still to
	// come need the rest.
	retentionShare = 0.5
	// bundlesEvery is how many passes go by until bundles are looked at again.
	bundlesEvery = 60
	// retentionClaim is that of the one dispatcher that does this.
	retentionClaim = "retention"
)

// retain forgets what ended long ago, and more where there is too much.
func (d *Dispatcher) retain(ctx context.Context) error {
	for ctx.Err() == nil {
		_ = d.whileClaimed(ctx, retentionClaim, func(ctx context.Context) error {
			began, clock := d.Clock.Now(), steady{}
			clock.look(began, 0)
			failing := false
			for pass := 0; d.pause(ctx, retentionInterval); pass++ {
				now := d.Clock.Now()
				byAge := clock.look(now, now.Sub(began)) >= steadyEnough(d.Retention)
				forgotten, err := d.forgetFinished(ctx, byAge)
				if err != nil && ctx.Err() == nil && !failing {
					d.log.Warn("what has ended is kept for longer than it should be", "error", err)
				}
				if failing = err != nil; forgotten > 0 {
					d.log.Info("finished invocations were deleted", "count", forgotten)
				}
				d.tidy(ctx, pass%bundlesEvery == 0)
			}
			return nil
		})
	}
	return nil
}

// tidy removes what nobody can reach any more; bundles, which are slow to list, are
// looked at where that is said.
func (d *Dispatcher) tidy(ctx context.Context, bundles bool) {
	strays, err := d.Store.RemoveStrays(ctx)
	if strays > 0 {
		d.log.Warn("remains of projects that have gone were removed", "count", strays)
	}
	err = errors.Join(err, d.forgetGone(ctx))
	if bundles {
		err = errors.Join(err, d.Store.CollectBundles(ctx))
	}
	if err != nil && ctx.Err() == nil {
		d.log.Warn("what nobody can reach any more is kept for longer than it should be", "error", err)
	}
}

// forgetGone removes invocations of projects that have gone, which somebody recorded
// who had not heard of that. Nothing else would end them.
func (d *Dispatcher) forgetGone(ctx context.Context) error {
	projects, err := d.Store.Projects(ctx)
	if err != nil {
		return err
	}
	if err := d.Index.Ready(ctx); err != nil {
		return err
	}
	known, gone := map[string]bool{}, map[string]string{} // project by generation
	for _, p := range projects {
		known[p.Generation] = true
	}
	err = d.Index.Unfinished("", "", func(e index.Entry) bool {
		if !known[e.Key.Generation] {
			gone[e.Key.Generation] = e.Key.Project
		}
		return ctx.Err() == nil
	})
	for generation, project := range gone {
		forgotten, failed := d.Store.ForgetGone(ctx, project, generation)
		if forgotten {
			d.log.Warn("invocations of a project that has gone were removed", "project", project)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// forgetFinished is one pass over what has ended, oldest first. An invocation
// stays for as long as any that it started is known: what is unfinished needs its
// ancestors, to be cancelled with them and to be found from them.
//
// Only what there is no room for goes where the clock may be wrong, and byAge is false.
func (d *Dispatcher) forgetFinished(ctx context.Context, byAge bool) (forgotten int, err error) {
	if err := d.Index.Ready(ctx); err != nil {
		return 0, err
	}
	excess, err := d.excess(ctx)
	if err != nil {
		return 0, err
	}
	now := d.now()
	began := time.Now()
	walk := d.Index.Finished(func(e index.Entry) bool {
		age := now.Sub(e.UpdatedAt)
		if age < retentionFresh || !excess && (!byAge || d.Retention <= 0 || age < d.Retention) {
			return false
		}
		var done bool
		if done, err = d.forgetOne(ctx, e); !done || err != nil {
			return err == nil
		}
		if forgotten++; forgotten%retentionBatch == 0 {
			if excess {
				excess, err = d.excess(ctx)
			}
			if !sleep(ctx, time.Since(began)) {
				err = ctx.Err()
			}
			began = time.Now()
		}
		return err == nil
	})
	return forgotten, errors.Join(walk, err)
}

// forgetOne tells whether the invocation has gone.
func (d *Dispatcher) forgetOne(ctx context.Context, e index.Entry) (bool, error) {
	if parent, err := d.Index.HasChildren(e.Key); parent || err != nil {
		return false, err
	}
	err := d.Store.Forget(ctx, e.Key)
	if errors.Is(err, streams.ErrUnfinished) {
		return false, nil // its ID is in use again, and the index has yet to hear of it
	}
	return err == nil, err
}

// excess tells whether invocations take more than they may.
func (d *Dispatcher) excess(ctx context.Context) (bool, error) {
	limit := uint64(max(0, d.RetentionBytes))
	if limit == 0 {
		limit = uint64(retentionShare * float64(d.Store.Limit()))
	}
	if limit == 0 {
		return false, nil
	}
	// All that is stored is cheap to ask for, and mostly below the limit.
	if stored, err := d.Store.Stored(ctx); err != nil || stored <= limit {
		return false, err
	}
	held, err := d.Store.Held(ctx)
	return held > limit, err
}

// sleep tells whether ctx is still running after it. It leaves room to others on
// the machine, so that it goes by the real clock.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
