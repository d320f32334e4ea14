package fargate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/time/rate"

	"multinode/dispatcher/provision"
)

// launchBurst is how many launches may go at once after a pause. The account's own
// bucket holds 100, which others use, too.
const launchBurst = 20

// keepTurn is how long a turn that nobody takes is kept. A launch that was put off
// until its turn comes back a moment later.
const keepTurn = time.Minute

// turns hands out launches at a rate. A launch whose turn is not near is refused,
// and told when to come back: then its turn is there, however many others wait.
// So each is put off once, with a time that holds, instead of all of them pressing
// for every turn.
type turns struct {
	clock    clockwork.Clock
	limiter  *rate.Limiter
	patience time.Duration

	mu      sync.Mutex
	held    map[string]time.Time // by invocation: when its turn is
	refusal string               // the latest one of AWS, for want of capacity
	at      time.Time            // of that
}

func newTurns(o Options) *turns {
	return &turns{
		clock: o.Clock, limiter: rate.NewLimiter(rate.Limit(o.LaunchRate), launchBurst),
		patience: o.LaunchPatience, held: map[string]time.Time{},
	}
}

// wait returns when it is the invocation's turn, or at once with an error that says
// when that is.
func (t *turns) wait(ctx context.Context, invocation string) error {
	due, reason := t.due(invocation)
	delay := due.Sub(t.clock.Now())
	if delay > t.patience {
		return refusal(provision.NoCapacity, delay, fmt.Errorf("%sthis account may launch %v tasks a second, and others came before", reason, t.limiter.Limit()))
	}
	if delay <= 0 {
		return context.Cause(ctx)
	}
	select {
	case <-t.clock.After(delay):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// due returns when the invocation's turn is. A turn that is near is used up.
func (t *turns) due(invocation string) (due time.Time, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	for other, at := range t.held {
		if now.Sub(at) > keepTurn {
			delete(t.held, other)
		}
	}
	due, held := t.held[invocation]
	if !held {
		due = now.Add(t.limiter.ReserveN(now, 1).DelayFrom(now))
	}
	if due.Sub(now) <= t.patience {
		delete(t.held, invocation)
		return due, ""
	}
	t.held[invocation] = due
	if now.Sub(t.at) < keepTurn {
		reason = t.refusal + "; the next try waits its turn: "
	}
	return due, reason
}

// borrow takes a turn at once. Later ones come later for it.
func (t *turns) borrow() { t.limiter.ReserveN(t.clock.Now(), 1) }

// note keeps what AWS said for those who cannot ask for some time.
func (t *turns) note(refusal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusal, t.at = refusal, t.clock.Now()
}
