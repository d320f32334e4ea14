package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/streams"
)

const (
	// strangerInterval is how often the record of a worker is read that beats and
	// has no lease here.
	strangerInterval = 6 * multinode.BeatInterval
	// maxStrangers bounds those that wait for this, and those remembered.
	maxStrangers = 1024
)

// strangers are workers that beat and have no lease here. Most are another
// dispatcher's. Some are nobody's: their execution was called lost while they were
// out of reach. Whoever sees that in the record tells them to leave.
type strangers struct {
	clock clockwork.Clock
	queue chan multinode.ExecutionKey

	mu   sync.Mutex
	seen map[string]time.Time // by execution
}

func newStrangers(clock clockwork.Clock) *strangers {
	return &strangers{clock: clock, queue: make(chan multinode.ExecutionKey, maxStrangers), seen: map[string]time.Time{}}
}

// beats notes a beat. It does not block.
func (s *strangers) beats(k multinode.ExecutionKey) {
	if k.Invocation.ID == "" {
		return // it did not say whose it is
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	if at, ok := s.seen[k.ID]; ok && now.Sub(at) < strangerInterval {
		return
	}
	if len(s.seen) >= maxStrangers {
		for id, at := range s.seen {
			if now.Sub(at) >= strangerInterval {
				delete(s.seen, id)
			}
		}
	}
	select {
	case s.queue <- k:
		s.seen[k.ID] = now
	default: // its next beat comes soon
	}
}

// answerStrangers tells those to leave whose execution is over.
func (d *Dispatcher) answerStrangers(ctx context.Context) error {
	for {
		select {
		case k := <-d.strangers.queue:
			over, err := d.over(ctx, k)
			if err == nil && over {
				err = d.Store.Tell(k.ID, multinode.Leave)
			}
			if err != nil && ctx.Err() == nil {
				d.log.Debug("a worker without a lease could not be answered", "execution_id", k.ID, "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// over tells whether the execution is live no more, by the leader's word.
func (d *Dispatcher) over(ctx context.Context, k multinode.ExecutionKey) (bool, error) {
	if k.Invocation.ID == "" {
		return false, nil
	}
	record, err := d.Store.CurrentRecord(ctx, k.Invocation)
	if errors.Is(err, streams.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	live, ok := record.Live()
	return !ok || live.ID != k.ID, nil
}
