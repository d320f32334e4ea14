package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

// clockMargin is added where two machines' clocks, or a beat under way, could
// make a verdict come a little early.
const clockMargin = 2 * multinode.BeatInterval

// verdict says, in the worker's place, how the execution ended, unless an
// outcome is stored already; then it settles whichever counts.
func (l *lease) verdict(ctx context.Context, kind multinode.OutcomeKind, reason string) error {
	stored, err := l.putVerdict(ctx, kind, reason)
	if err != nil {
		return err
	}
	return l.settle(ctx, stored)
}

// putVerdict returns the outcome that counts.
func (l *lease) putVerdict(ctx context.Context, kind multinode.OutcomeKind, reason string) (multinode.Outcome, error) {
	stored, won, err := l.d.Store.PutOutcome(ctx, l.executionKey(), multinode.Outcome{Kind: kind, Error: truncate(reason)})
	if won {
		level := slog.LevelWarn
		if kind == multinode.OutcomeCancelled {
			level = slog.LevelInfo // somebody asked for it
		}
		l.log.Log(ctx, level, "ended an execution by verdict", "outcome", string(kind), "reason", reason)
		l.writeLog(ctx, reason)
	}
	return stored, err
}

// writeLog puts the reason where whoever reads the execution's log finds it.
func (l *lease) writeLog(ctx context.Context, reason string) {
	line := multinode.LogLine{Time: time.Now().UTC(), Stream: "system", Text: reason}
	if err := l.d.Store.PutLogs(ctx, l.executionKey(), []multinode.LogLine{line}); err != nil {
		l.log.Warn("a verdict is missing from the log", "error", err)
	}
}

func truncate(text string) string {
	if runes := []rune(text); len(runes) > multinode.MaxErrorMessage {
		return string(runes[:multinode.MaxErrorMessage-1]) + "…"
	}
	return text
}

// workerExited decides on a worker that was seen to end: if it left no outcome,
// it will not.
func (l *lease) workerExited(ctx context.Context, exit provision.Exit) (bool, error) {
	if done, err := l.settleIfStored(ctx); done || err != nil {
		return done, err
	}
	kind, reason := multinode.OutcomeLost, "the worker ended without a result"
	switch {
	case exit.OutOfMemory:
		kind, reason = multinode.OutcomeOutOfMemory, fmt.Sprintf("the worker ran out of memory (it asked for %v GiB)", l.record.Spec.MemoryGiB)
	case !l.interruptedAt.IsZero():
		kind, reason = l.interruptedOutcome(), "the worker was stopped"
	}
	if exit.Detail != "" {
		reason += ": " + exit.Detail
	}
	return true, l.verdict(ctx, kind, reason)
}

func (l *lease) interruptedOutcome() multinode.OutcomeKind {
	if l.desired.Load() == multinode.TimeOut {
		return multinode.OutcomeTimedOut
	}
	return multinode.OutcomeCancelled
}

// checkClocks ends what has been silent, or has gone on, for too long.
func (l *lease) checkClocks(ctx context.Context, now time.Time) (bool, error) {
	live, _ := l.record.Live()
	silent := now.Sub(l.watching)
	if beat := l.lastBeat.Load(); beat != nil {
		silent = min(silent, now.Sub(*beat))
	}
	switch {
	case live.State == multinode.Starting && silent > multinode.StartDeadline:
		return true, l.kill(ctx, multinode.OutcomeLost, fmt.Sprintf("the worker did not announce itself within %v", multinode.StartDeadline))
	case live.State == multinode.ExecutionRunning && silent > multinode.LostAfter:
		return true, l.kill(ctx, multinode.OutcomeLost, fmt.Sprintf("the worker has not been heard of for %v", multinode.LostAfter))
	case !l.interruptedAt.IsZero() && now.Sub(l.interruptedAt) > multinode.Grace+clockMargin:
		return true, l.kill(ctx, l.interruptedOutcome(), fmt.Sprintf("the worker did not stop within %v", multinode.Grace))
	case time.Duration(l.elapsed.Load()) > l.record.Spec.Timeout+clockMargin && l.interruptedAt.IsZero():
		// The worker times its code itself; this is for one that does not.
		return l.interrupt(ctx, multinode.TimeOut)
	}
	return false, nil
}

// kill puts the verdict first: from then on nothing that the worker writes
// counts, and stopping it harms nobody.
func (l *lease) kill(ctx context.Context, kind multinode.OutcomeKind, reason string) error {
	stored, err := l.putVerdict(ctx, kind, reason)
	if err != nil {
		return err
	}
	l.desired.Store(multinode.Leave)
	if err := l.d.Store.Tell(l.execution, multinode.Leave); err != nil {
		l.log.Warn("the worker could not be told to leave", "error", err)
	}
	return l.settle(ctx, stored)
}

// interrupt has the user's code told to stop, and ends at once what has no code
// running yet.
func (l *lease) interrupt(ctx context.Context, why multinode.Desired) (bool, error) {
	if !l.interruptedAt.IsZero() {
		return false, nil
	}
	live, ok := l.record.Live()
	if !ok {
		return false, nil
	}
	if live.State == multinode.Starting {
		l.interruptedAt = time.Now()
		l.desired.Store(why)
		return true, l.kill(ctx, multinode.OutcomeCancelled, "it was cancelled before its worker had started")
	}
	err := l.apply(ctx, multinode.Interrupted{Execution: l.execution, Why: why, At: time.Now().UTC()})
	if errors.Is(err, multinode.ErrFenced) {
		return true, l.finish(ctx)
	}
	if err != nil {
		return false, err
	}
	if live, ok := l.record.Live(); ok && live.Interrupt != "" {
		why = live.Interrupt // the first one counts
	}
	l.interruptedAt = time.Now()
	l.desired.Store(why)
	l.remind()
	return false, nil
}

// remind tells the worker again what the answer to its next beat will say.
func (l *lease) remind() {
	if l.interruptedAt.IsZero() {
		return
	}
	if err := l.d.Store.Tell(l.execution, l.desired.Load().(multinode.Desired)); err != nil && !errors.Is(err, streams.ErrUnavailable) {
		l.log.Warn("the worker could not be told", "error", err)
	}
}
