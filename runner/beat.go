package runner

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
)

// beater gives signs of life and passes on what is answered.
type beater struct {
	link  Link
	every time.Duration
	clock clockwork.Clock
	log   *slog.Logger
	// desires receives each answer.
	desires chan multinode.Desired
	nudge   chan struct{}

	mu          sync.Mutex
	phase       multinode.Phase
	interrupted multinode.Desired
	started     time.Time
	ended       time.Time
}

func newBeater(link Link, every time.Duration, clock clockwork.Clock, log *slog.Logger) *beater {
	return &beater{
		link: link, every: every, clock: clock, log: log, phase: multinode.PhaseStarting,
		desires: make(chan multinode.Desired), nudge: make(chan struct{}, 1),
	}
}

// start notes that the user's function begins.
func (b *beater) start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phase, b.started = multinode.PhaseRunning, b.clock.Now()
}

// finish notes that the user's code has ended.
func (b *beater) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.phase, b.ended = multinode.PhaseFinishing, b.clock.Now()
}

// interrupt notes what the user's code was given, and has it reported at once.
func (b *beater) interrupt(why multinode.Desired) {
	b.mu.Lock()
	b.interrupted = why
	b.mu.Unlock()
	select {
	case b.nudge <- struct{}{}:
	default:
	}
}

func (b *beater) beat() multinode.Beat {
	b.mu.Lock()
	defer b.mu.Unlock()
	beat := multinode.Beat{Phase: b.phase, Interrupted: b.interrupted}
	switch {
	case b.started.IsZero():
	case b.ended.IsZero():
		beat.Elapsed = b.clock.Since(b.started)
	default:
		beat.Elapsed = b.ended.Sub(b.started)
	}
	return beat
}

// run beats until ctx ends.
func (b *beater) run(ctx context.Context) {
	ticker := b.clock.NewTicker(b.every)
	defer ticker.Stop()
	for {
		desired, err := b.link.Beat(ctx, b.beat())
		if err != nil && ctx.Err() == nil {
			b.log.Warn("nobody answered a beat", "error", err)
		}
		if err == nil {
			select {
			case b.desires <- desired:
			case <-ctx.Done():
			}
		}
		select {
		case <-ticker.Chan():
		case <-b.nudge:
		case <-ctx.Done():
			return
		}
	}
}
