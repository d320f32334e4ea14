package builder

import (
	"context"
	"log/slog"
	"sync"

	"multinode/images/order"
)

// maxWaiting bounds the lines that wait to be told.
const maxWaiting = 1000

// teller passes lines on without holding up the work: those that come while it is
// busy go together.
type teller struct {
	mu      sync.Mutex
	waiting []string
	wake    chan struct{}
	done    sync.WaitGroup
}

func newTeller(ctx context.Context, to order.Control, log *slog.Logger) *teller {
	t := &teller{wake: make(chan struct{}, 1)}
	t.done.Go(func() {
		for range t.wake {
			if lines := t.take(); len(lines) > 0 {
				if err := to.Progress(ctx, lines); err != nil {
					log.Warn("progress of the build could not be told", "error", err)
				}
			}
		}
	})
	return t
}

func (t *teller) tell(line string) {
	t.mu.Lock()
	if len(t.waiting) < maxWaiting {
		t.waiting = append(t.waiting, line)
	}
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default: // it is awake
	}
}

func (t *teller) take() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.waiting
	t.waiting = nil
	return lines
}

// close returns when all is told.
func (t *teller) close() {
	close(t.wake)
	t.done.Wait()
}
