package dispatcher

import (
	"context"
	"fmt"
	"time"

	"multinode"
)

// A lease measures time by the monotonic clock. What had gone by when it adopted an
// execution, the record tells, in the time of the wall clock of whoever wrote it: that
// clock, or this one, may be a day off. So an adopter believes the record as far as
// that can do no harm, and no worker that only beats gets its time anew from each
// adopter.

// leastWait is how long an adopter waits at least for a worker to announce itself or
// to end, whatever the record says.
const leastWait = multinode.AckWait

// since is how long ago something was by the record: a time to come is now.
func (l *lease) since(at time.Time) time.Duration { return max(0, l.d.now().Sub(at)) }

// noteTimes takes over the clocks of an adopted execution.
func (l *lease) noteTimes(live multinode.Execution) {
	now := l.d.Clock.Now()
	if live.InterruptedAt != nil {
		l.interruptedAt = now.Add(-min(l.since(*live.InterruptedAt), multinode.Grace-leastWait))
		l.desired.Store(live.Interrupt)
	}
	switch {
	case live.State == multinode.Starting:
		l.waited = min(l.since(live.CreatedAt), multinode.StartDeadline-leastWait)
	case live.DoubtedAt != nil:
		l.runsSince, l.adopted = now.Add(-l.since(*live.DoubtedAt)), true
	case live.StartedAt != nil:
		l.runsSince, l.adopted = now.Add(-l.since(*live.StartedAt)), true
	default:
		l.noteStart(live)
	}
}

// noteStart notes when the user's code began to run, as far as this dispatcher saw it.
func (l *lease) noteStart(live multinode.Execution) {
	if live.State == multinode.ExecutionRunning && l.runsSince.IsZero() {
		l.runsSince = l.d.Clock.Now()
	}
}

// checkClocks ends what has been silent, or has gone on, for too long.
func (l *lease) checkClocks(ctx context.Context, now time.Time) (bool, error) {
	live, _ := l.record.Live()
	silent := now.Sub(l.watching)
	if beat := l.lastBeat.Load(); beat != nil {
		silent = min(silent, now.Sub(*beat))
	}
	switch {
	// Beats are no announcement.
	case live.State == multinode.Starting && now.Sub(l.watching)+l.waited > multinode.StartDeadline:
		// A failed launch of ours, not a failed try.
		reason := fmt.Sprintf("the worker did not announce itself within %v; it is launched again", multinode.StartDeadline)
		return false, l.takeBack(ctx, reason, launchPause, true)
	case live.State == multinode.ExecutionRunning && !live.OverHTTP() && silent > multinode.LostAfter:
		return true, l.kill(ctx, multinode.OutcomeLost, fmt.Sprintf("the worker has not been heard of for %v", multinode.LostAfter))
	case !l.interruptedAt.IsZero() && now.Sub(l.interruptedAt) > multinode.Grace+clockMargin:
		return true, l.kill(ctx, l.interruptedOutcome(), fmt.Sprintf("the worker did not stop within %v", multinode.Grace))
	}
	if done, err := l.checkTimeout(ctx, now); done || err != nil {
		return done, err
	}
	return l.checkPresence(ctx, live, silent)
}

// checkTimeout interrupts code that has run for too long. A worker that beats
// times its code itself: for that one this is a backstop, by what it says and,
// later, whatever it says.
func (l *lease) checkTimeout(ctx context.Context, now time.Time) (bool, error) {
	live, ok := l.record.Live()
	if !ok || live.State != multinode.ExecutionRunning || !l.interruptedAt.IsZero() {
		return false, nil
	}
	ran, limit := now.Sub(l.runsSince), l.record.Spec.Timeout
	switch {
	case live.OverHTTP():
		if ran <= limit {
			return false, nil
		}
	case time.Duration(l.elapsed.Load()) > limit+clockMargin:
	case ran <= limit+multinode.StartDeadline:
		return false, nil
	case l.adopted && live.DoubtedAt == nil:
		return false, l.doubt(ctx, now)
	}
	return l.interrupt(ctx, multinode.TimeOut)
}

// doubt gives the code of an adopted worker its time once more, where its worker says
// that it has not run for so long: the clock by which it has may have been set. The
// record remembers it, so that no worker gets this twice.
func (l *lease) doubt(ctx context.Context, now time.Time) error {
	if l.lastBeat.Load() == nil {
		return nil // it has yet to say anything, and its silence is counted
	}
	l.log.Warn("a worker's code has run for too long by the record, and not by the worker's word; its time is counted once more")
	if err := l.apply(ctx, multinode.Doubted{Execution: l.execution, At: l.d.now()}); err != nil {
		return err
	}
	l.runsSince, l.adopted = now, false
	return nil
}
