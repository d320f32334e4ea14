package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"multinode"
	"multinode/internal/failpoint"
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
		failpoint.Hit("dispatcher.verdict_put")
		l.writeLog(ctx, reason)
		if kind != multinode.OutcomeLaunchFailed {
			l.d.revoke(ctx, l.execution, l.record.Spec)
		}
	}
	return stored, err
}

// writeLog puts the reason where whoever reads the execution's log finds it.
func (l *lease) writeLog(ctx context.Context, reason string) {
	// However it is encoded, that many characters are no larger than a batch may be.
	line := multinode.LogLine{Time: l.d.now(), Stream: "system", Text: shorten(reason, streams.MaxLogBatch/8)}
	if err := l.d.Store.PutLogs(ctx, l.executionKey(), []multinode.LogLine{line}); err != nil {
		l.log.Warn("a verdict is missing from the log", "error", err)
	}
}

func truncate(text string) string { return shorten(text, multinode.MaxErrorMessage) }

// shorten cuts a text to so many code points.
func shorten(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}

// workerExited decides on a worker that was seen to end: if it left no outcome,
// it will not.
func (l *lease) workerExited(ctx context.Context) (bool, error) {
	if done, err := l.settleIfStored(ctx); done || err != nil {
		return done, err
	}
	exit, kind, reason := *l.gone, multinode.OutcomeLost, "the worker ended without a result"
	if live, ok := l.record.Live(); exit.NotStarted && ok && live.State == multinode.Starting && l.interruptedAt.IsZero() {
		return l.neverStarted(ctx, exit)
	}
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

// kill puts the verdict first: from then on nothing that the worker writes
// counts, and stopping it harms nobody.
func (l *lease) kill(ctx context.Context, kind multinode.OutcomeKind, reason string) error {
	if l.ranOut(l.d.Clock.Now()) {
		return errDropped // it was paused since it found the reason
	}
	stored, err := l.putVerdict(ctx, kind, reason)
	if err != nil {
		return err
	}
	l.desired.Store(multinode.Leave)
	l.tell(l.execution, multinode.Leave)
	failpoint.Hit("dispatcher.told_to_leave")
	return l.settle(ctx, stored)
}

// interrupt has the user's code told to stop, and ends at once what has no code
// running yet.
func (l *lease) interrupt(ctx context.Context, why multinode.Desired) (bool, error) {
	live, ok := l.record.Live()
	switch {
	case !ok:
		return false, nil
	case live.State == multinode.Starting:
		l.interruptedAt = l.d.Clock.Now()
		l.desired.Store(why)
		return true, l.kill(ctx, multinode.OutcomeCancelled, "it was cancelled before its worker had started")
	case !l.interruptedAt.IsZero():
		return false, nil
	}
	err := l.apply(ctx, multinode.Interrupted{Execution: l.execution, Why: why, At: l.d.now()})
	if errors.Is(err, multinode.ErrFenced) {
		return true, l.finish(ctx)
	}
	if err != nil {
		return false, err
	}
	if live, ok := l.record.Live(); ok && live.Interrupt != "" {
		why = live.Interrupt // the first one counts
	}
	failpoint.Hit("dispatcher.interrupt_stored")
	l.interruptedAt = l.d.Clock.Now()
	l.desired.Store(why)
	if live.OverHTTP() {
		l.stopGently()
	}
	l.remind()
	failpoint.Hit("dispatcher.interrupted")
	return false, nil
}

// remindInterval is how often a worker that does not confirm its interrupt is
// told again.
const remindInterval = time.Second

// remind tells the worker again what the answer to its next beat will say.
func (l *lease) remind() {
	if !l.interruptedAt.IsZero() {
		l.tell(l.execution, l.desired.Load().(multinode.Desired))
	}
}

func (l *lease) tell(execution string, what multinode.Desired) {
	if err := l.d.Store.Tell(execution, what); err != nil && !errors.Is(err, streams.ErrUnavailable) {
		l.log.Warn("the worker could not be told", "error", err)
	}
}
