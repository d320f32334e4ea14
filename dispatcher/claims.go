package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"multinode"
	"multinode/streams"
)

const (
	// claimGivenUp is how long after its last renewal a holder stops by itself,
	// before anybody may take its claim: claimFor begins later than that, when the
	// taker reads what was stored.
	claimGivenUp = claimFor * 2 / 3
	// claimPatience bounds one answer, so that a holder without NATS stops in time.
	claimPatience = claimFor / 6
)

// errClaimLost means that another dispatcher has, or may have, taken a claim.
var errClaimLost = errors.New("the claim was lost to another dispatcher")

// whileClaimed waits for a claim and runs do while this dispatcher holds it. The
// context of do ends where the claim is lost, and errClaimLost is returned then.
// At the end of do it is given up, and another dispatcher has it soon.
//
// Who holds the claim changes its revision again and again; who wants it takes it
// once the revision has stayed the same for claimFor, by its own clock: no two
// clocks are compared. A holder that was stopped meanwhile may still do a little
// when it wakes: what is done under a claim must be harmless when done twice.
func (d *Dispatcher) whileClaimed(ctx context.Context, name string, do func(context.Context) error) error {
	c := &claim{d: d, name: name, holder: multinode.NewID("holder")}
	if err := c.take(ctx); err != nil {
		return err
	}
	doing, end := context.WithCancelCause(ctx)
	var keeping sync.WaitGroup
	keeping.Go(func() { c.keep(doing, end) })
	err := do(doing)
	lost := errors.Is(context.Cause(doing), errClaimLost)
	end(nil)
	keeping.Wait()
	if lost {
		return errClaimLost
	}
	c.giveUp(ctx)
	return err
}

// claim is this dispatcher's side of one.
type claim struct {
	d            *Dispatcher
	name, holder string
	revision     uint64
	// since is when the revision was first seen by one who waits, and when the last
	// renewal was begun by the holder.
	since time.Time
}

// take waits until the claim is this one's. It ends early with ctx only.
func (c *claim) take(ctx context.Context) error {
	for failing := false; ; {
		taken, err := c.try(ctx)
		if taken {
			return nil
		}
		if err != nil && ctx.Err() == nil && !failing {
			c.d.log.Warn("a claim cannot be had for now", "claim", c.name, "error", err)
		}
		failing = err != nil
		if !c.d.pause(ctx, claimRenewal) {
			return ctx.Err()
		}
	}
}

func (c *claim) try(ctx context.Context) (taken bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	holder, revision, err := c.d.Store.Claim(ctx, c.name)
	if err != nil {
		return false, err
	}
	now := c.d.Clock.Now()
	if revision != c.revision || c.since.IsZero() {
		c.revision, c.since = revision, now
	}
	// It may be ours by a write whose answer was lost: the next one confirms it.
	if holder != "" && holder != c.holder && now.Sub(c.since) < claimFor {
		return false, nil
	}
	if revision, err = c.d.Store.PutClaim(ctx, c.name, c.holder, revision); err != nil {
		if errors.Is(err, streams.ErrExists) {
			err = nil // somebody else was faster
		}
		return false, err
	}
	c.revision, c.since = revision, now
	return true, nil
}

// keep renews the claim until ctx ends, and ends it where the claim is lost.
func (c *claim) keep(ctx context.Context, end context.CancelCauseFunc) {
	for c.d.pause(ctx, claimRenewal) {
		err := c.renew(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errClaimLost) || c.d.Clock.Now().Sub(c.since) >= claimGivenUp {
			c.d.log.Warn("a claim was lost", "claim", c.name, "error", err)
			end(errClaimLost)
			return
		}
	}
}

func (c *claim) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	for {
		now := c.d.Clock.Now()
		revision, err := c.d.Store.PutClaim(ctx, c.name, c.holder, c.revision)
		if err == nil {
			c.revision, c.since = revision, now
			return nil
		}
		if !errors.Is(err, streams.ErrExists) {
			return err
		}
		holder, revision, err := c.d.Store.Claim(ctx, c.name)
		if err != nil {
			return err
		}
		if holder != c.holder {
			return errClaimLost
		}
		c.revision = revision // an earlier renewal's, whose answer was lost
	}
}

// giveUp lets others have the claim at once, also at the end of the dispatcher. The
// last renewal may have been stored without an answer.
func (c *claim) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releasePatience)
	defer cancel()
	for {
		_, err := c.d.Store.PutClaim(ctx, c.name, "", c.revision)
		if err == nil {
			return
		}
		if errors.Is(err, streams.ErrExists) {
			var holder string
			if holder, c.revision, err = c.d.Store.Claim(ctx, c.name); err == nil && holder == c.holder {
				continue
			}
		}
		if err != nil {
			c.d.log.Warn("a claim was not given back and has to run out", "claim", c.name, "error", err)
		}
		return
	}
}

// pause tells whether ctx is still running after it.
func (d *Dispatcher) pause(ctx context.Context, pause time.Duration) bool {
	timer := d.Clock.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.Chan():
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
