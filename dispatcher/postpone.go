package dispatcher

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

const (
	// launchPause and launchPauseMost bound the pause before a launch that failed is
	// tried again. It grows with the time that has gone by since the first failure.
	launchPause     = time.Second
	launchPauseMost = time.Minute
	// rebuildPatience is how long an environment that was made before may fail to be
	// made again, as while a package index is down, before that ends the invocation.
	rebuildPatience = time.Hour
	// maxReason bounds the reason in a record, in code points.
	maxReason = 1000
)

// postpone puts off a launch that failed.
func (l *lease) postpone(ctx context.Context, cause error) error {
	reason, delay := l.postponement(cause)
	return l.takeBack(ctx, reason, delay, false)
}

// postponement says why a launch is put off, and for how long.
func (l *lease) postponement(cause error) (string, time.Duration) {
	delay, reason := provision.RetryAfter(cause), "the launch failed and will be tried again: "
	full := provision.KindOf(cause) == provision.NoCapacity
	if full {
		reason = "no capacity: "
	}
	if delay == 0 && full {
		delay = launchPause + rand.N(2*launchPause)
	} else if delay == 0 {
		delay = l.pause()
	}
	return reason + cause.Error(), delay
}

// neverStarted decides on a launch that worked, and of which nothing came: no try
// is used up, as nothing of the user's ran. What can never start is a verdict,
// which the log of the execution explains.
func (l *lease) neverStarted(ctx context.Context, exit provision.Exit) (bool, error) {
	if exit.Kind == provision.Permanent {
		return true, l.verdict(ctx, multinode.OutcomeLaunchFailed, "the worker cannot be started: "+exit.Detail)
	}
	reason, delay := l.postponement(&provision.Error{Kind: exit.Kind, RetryAfter: l.pause(), Err: errors.New(exit.Detail)})
	if err := l.takeBack(ctx, reason, delay, true); err != nil {
		return false, err
	}
	l.gone = nil // it was let in after all: its end is to be told by somebody else
	return false, nil
}

// pause grows with the time for which launches have been failing.
func (l *lease) pause() time.Duration {
	return min(max(launchPause, l.putOffFor()/4), launchPauseMost) + rand.N(2*launchPause)
}

// putOffFor is how long launches of this invocation have been failing.
func (l *lease) putOffFor() time.Duration {
	if w := l.record.Waiting; w != nil && !w.Since.IsZero() {
		return l.d.Clock.Now().Sub(w.Since)
	}
	return 0
}

// takeBackAtTheEnd takes back what a dispatcher that is being stopped has not launched
// yet: another at the next place could only wait for the worker.
func (l *lease) takeBackAtTheEnd(ctx context.Context) error {
	cause := ctx.Err()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releasePatience)
	defer cancel()
	if err := l.takeBack(ctx, "its dispatcher was stopped; it is launched again", 0, true); err != nil {
		return err
	}
	return cause // it was let in after all
}

// takeBack takes the intent back, which uses up no try, and has the request
// delivered again later. A worker that was launched is cut off. Where it was let
// in meanwhile takeBack returns nil: it is to be watched.
func (l *lease) takeBack(ctx context.Context, reason string, delay time.Duration, launched bool) error {
	live, _ := l.record.Live()
	now := l.d.now()
	err := l.apply(ctx, multinode.LaunchDeferred{
		Execution: l.execution, Reason: shorten(reason, maxReason), Until: now.Add(delay), At: now,
	})
	if errors.Is(err, multinode.ErrFenced) {
		if live, ok := l.record.Live(); ok && live.ID == l.execution {
			return nil
		}
		return errDropped
	}
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.deferred")
	l.log.Warn("the launch was put off", "reason", reason, "delay", delay.String())
	if launched {
		l.d.revoke(ctx, l.execution, l.record.Spec)
	}
	// The record has forgotten the execution: whatever part of a worker exists, or
	// comes up later, is not let in. What cannot be stopped now, the reaper sweeps up.
	if err := l.dismiss(ctx, live, 0); err != nil {
		l.log.Warn("the worker of a launch that was put off could not be stopped", "error", err)
	}
	failpoint.Hit("dispatcher.unlaunched")
	if l.record.Status.Terminal() {
		return answered(l.finish(ctx))
	}
	return answered(l.putBack(delay))
}
