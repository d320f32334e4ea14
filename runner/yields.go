package runner

import (
	"context"
	"log/slog"
	"sync"

	"multinode/internal/failpoint"
)

// yields stores the latest yield. Those that come while one is being stored
// replace each other; the last is never dropped.
type yields struct {
	put func(context.Context, []byte) error
	log *slog.Logger

	mu     sync.Mutex
	latest []byte
	closed bool
	wake   chan struct{}
	done   chan struct{}
}

func newYields(link Link, log *slog.Logger) *yields {
	return &yields{put: link.PutYield, log: log, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// set takes a yield; it never blocks.
func (y *yields) set(output []byte) {
	y.mu.Lock()
	y.latest = output
	y.mu.Unlock()
	y.wakeUp()
}

// close says that no more yields will come; done is closed once the last is
// stored.
func (y *yields) close() {
	y.mu.Lock()
	y.closed = true
	y.mu.Unlock()
	y.wakeUp()
}

func (y *yields) wakeUp() {
	select {
	case y.wake <- struct{}{}:
	default:
	}
}

// run stores yields until there will be no more, or ctx ends.
func (y *yields) run(ctx context.Context) {
	defer close(y.done)
	for {
		select {
		case <-y.wake:
		case <-ctx.Done():
			return
		}
		y.mu.Lock()
		output, closed := y.latest, y.closed
		y.latest = nil
		y.mu.Unlock()
		if output != nil {
			if err := y.put(ctx, output); err != nil {
				y.log.Warn("a yield could not be stored", "error", err)
			}
			failpoint.Hit("runner.yield_put")
		}
		if closed {
			return
		}
	}
}
