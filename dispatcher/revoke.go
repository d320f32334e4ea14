package dispatcher

import (
	"context"
	"errors"
	"maps"
	"time"

	"multinode"
)

const (
	// revokeEvery is the least pause between two revocations, and revokeShare the
	// part of the time that they may take: each makes the servers check the claims
	// of every connected worker. Those that come meanwhile go together.
	revokeEvery = time.Second
	revokeShare = 10
	// revokeRetry is the pause after a failure.
	revokeRetry = 5 * time.Second
	// revokeAgain is how often the servers are asked whether they still know: one
	// may have come back with old claims.
	revokeAgain = time.Minute
)

// credentialsEnd is when credentials that are made now expire.
func (d *Dispatcher) credentialsEnd(spec multinode.FunctionSpec) time.Time {
	return d.Clock.Now().Add(multinode.StartDeadline + spec.Timeout + multinode.Grace + multinode.CredentialMargin)
}

// revoke keeps that the worker's credentials are void, as after every verdict:
// what was given up may be alive somewhere. It is not waited for, nor is a failure
// of it one of the verdict's: what a fenced worker writes does not count anyway.
func (d *Dispatcher) revoke(ctx context.Context, execution string, spec multinode.FunctionSpec) {
	if d.RevokeWorkers == nil {
		return
	}
	if err := d.Store.RevokeWorker(ctx, execution, d.credentialsEnd(spec)); err != nil {
		d.log.Warn("the credentials of a worker that was given up are good until they expire", "execution_id", execution, "error", err)
	}
}

// tendRevoked makes the servers know whose credentials are void. One dispatcher
// does it for all; one that cannot lets another try.
func (d *Dispatcher) tendRevoked(ctx context.Context) error {
	if d.RevokeWorkers == nil {
		<-ctx.Done()
		return nil
	}
	// Servers that have just started may have forgotten: at once, claim or not.
	err := d.pushRevoked(ctx, d.unexpired(ctx))
	for ctx.Err() == nil {
		if err != nil && !errors.Is(err, errClaimLost) {
			d.log.Warn("workers that were given up are not cut off yet", "error", err)
		}
		if err != nil {
			wait(ctx, revokeRetry)
		}
		err = d.whileClaimed(ctx, "revocations", d.keepRevoked)
	}
	return nil
}

// keepRevoked pushes what is new until ctx ends, or until that fails.
func (d *Dispatcher) keepRevoked(ctx context.Context) error {
	changes, stop := d.Store.RegistryChanges()
	defer stop()
	again := d.Clock.NewTicker(revokeAgain)
	defer again.Stop()
	var known map[string]time.Time
	for {
		began := time.Now()
		if revoked := d.unexpired(ctx); known == nil || !maps.Equal(known, revoked) {
			if err := d.pushRevoked(ctx, revoked); err != nil {
				return err
			}
			known = revoked
		}
		wait(ctx, max(revokeEvery, revokeShare*time.Since(began)))
		select {
		case <-changes:
		case <-again.Chan():
			known = nil
		case <-ctx.Done():
			return nil
		}
	}
}

// unexpired returns what is to be void, and forgets what has been for long enough.
func (d *Dispatcher) unexpired(ctx context.Context) map[string]time.Time {
	now, revoked := d.Clock.Now(), d.Store.RevokedWorkers()
	for execution, until := range revoked {
		if now.Before(until) {
			continue
		}
		if err := d.Store.ForgetRevoked(ctx, execution); err != nil {
			d.log.Warn("a revocation that has expired is still kept", "execution_id", execution, "error", err)
		}
		delete(revoked, execution)
	}
	return revoked
}

func (d *Dispatcher) pushRevoked(ctx context.Context, revoked map[string]time.Time) error {
	if err := d.RevokeWorkers(ctx, revoked); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}
