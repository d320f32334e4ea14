package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"multinode"
)

// renew extends the lease, unless it has run out: then the request is another's
// by now, and this dispatcher, woken from a pause, must keep still.
func (l *lease) renew(now time.Time) error {
	gap := l.unrenewed(now)
	if gap > multinode.AckWait {
		return errDropped
	}
	if gap > multinode.RenewInterval+2*multinode.BeatInterval {
		l.watching = now // silence counts only while listening
	}
	if err := l.delivery.Extend(); err != nil {
		return err
	}
	l.renewed = now
	return nil
}

// unrenewed is for how long the lease was not renewed. The clock on the wall counts,
// too: a suspended machine's other one stands still.
func (l *lease) unrenewed(now time.Time) time.Duration {
	return max(now.Sub(l.renewed), now.Round(0).Sub(l.renewed.Round(0)))
}

// ranOut tells whether the lease is another's by now.
func (l *lease) ranOut(now time.Time) bool { return l.unrenewed(now) > multinode.AckWait }

// errCutShort ends the beginning of a lease that was cancelled meanwhile.
var errCutShort = errors.New("the invocation was cancelled while it was launched")

// whileRenewed does what may take longer than the lease lasts, such as a launch,
// and renews the lease beside it. Where the lease has run out all the same, it
// ends that and returns errDropped. A notice on look, which may be nil, ends it
// with errCutShort if the invocation is to be cancelled.
func (l *lease) whileRenewed(ctx context.Context, do func(context.Context) error, look <-chan struct{}) error {
	if l.unkeep != nil {
		return do(ctx)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	done := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() {
		tick := l.d.Clock.NewTicker(multinode.RenewInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.Chan():
				if errors.Is(l.renew(l.d.Clock.Now()), errDropped) {
					end(errDropped)
					return
				}
			case <-look:
				if l.cancelled(ctx) {
					look = nil
					notice(l.look, struct{}{}) // for whoever watches, should it be over already
					end(errCutShort)
				}
			case <-done:
				return
			}
		}
	})
	stop := sync.OnceFunc(func() { close(done) })
	l.unkeep = func() {
		stop()
		renewing.Wait()
	}
	err := do(ctx)
	l.unkeep()
	l.unkeep = nil
	if cause := context.Cause(ctx); err != nil && (errors.Is(cause, errDropped) || errors.Is(cause, errCutShort)) {
		return cause
	}
	return err
}

// cancelled tells whether the invocation or an ancestor was cancelled. It touches
// nothing that belongs to the lease's goroutine.
func (l *lease) cancelled(ctx context.Context) bool {
	record, err := l.d.Store.CurrentRecord(ctx, l.key)
	if err != nil || record.Status.Terminal() {
		return false
	}
	if record.CancelRequestedAt != nil {
		return true
	}
	ended, err := l.d.ancestorEnded(ctx, record)
	return err == nil && ended
}

// ack answers the request for good.
func (l *lease) ack(ctx context.Context) error {
	l.rest()
	return l.delivery.Ack(ctx)
}

// putBack has the request delivered again after the delay.
func (l *lease) putBack(delay time.Duration) error {
	l.rest()
	return l.delivery.Nak(delay)
}

// rest ends the renewal: one that came after the answer would undo a delay.
func (l *lease) rest() {
	if l.unkeep != nil {
		l.unkeep()
	}
}
