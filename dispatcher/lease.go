package dispatcher

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

// lease is the ownership of one delivered request. Its fields belong to the
// goroutine of run; what others tell it comes over the channels.
type lease struct {
	d        *Dispatcher
	delivery *streams.Delivery
	key      multinode.InvocationKey
	log      *slog.Logger

	record    multinode.Invocation
	revision  uint64
	execution string
	worker    multinode.Worker
	renewed   time.Time
	// interruptedAt is when the live execution was first to be interrupted.
	interruptedAt time.Time
	// watching is since when silence counts.
	watching time.Time

	hellos  chan helloCall
	outcome chan struct{}
	exited  chan provision.Exit
	look    chan struct{}

	// These three are read and written by the answers to beats, which must not wait.
	desired  atomic.Value              // multinode.Desired
	lastBeat atomic.Pointer[time.Time] // by the monotonic clock; nil before the first
	elapsed  atomic.Int64              // nanoseconds
}

func newLease(d *Dispatcher, delivery *streams.Delivery) *lease {
	l := &lease{
		d: d, delivery: delivery, key: delivery.Key, renewed: delivery.Received,
		log: d.log.With("project", delivery.Key.Project, "function", delivery.Key.Function, "invocation_id", delivery.Key.ID),
		// One place each: a notice says that there is something to look at, and
		// the second of two says nothing new.
		hellos: make(chan helloCall), outcome: make(chan struct{}, 1),
		exited: make(chan provision.Exit, 1), look: make(chan struct{}, 1),
	}
	l.desired.Store(multinode.Run)
	return l
}

// errDropped ends a lease without an answer: it is, or may be, another's.
var errDropped = errors.New("the lease was dropped")

// answered is what ends a lease that had nothing to watch: its request was
// answered, unless that failed.
func answered(err error) error {
	if err == nil {
		return errDropped
	}
	return err
}

// run drives the lease until the request is answered or given up.
func (l *lease) run(ctx context.Context) {
	err := l.begin(ctx)
	if err == nil {
		err = l.watch(ctx)
	}
	switch {
	case err == nil, errors.Is(err, errDropped):
	case ctx.Err() != nil:
		// Whoever comes next need not wait for the lease to run out.
		_ = l.delivery.Nak(0)
	default:
		l.log.Error("the invocation could not be driven on; it will be tried again", "error", err)
		_ = l.delivery.Nak(troubleDelay)
	}
}

// troubleDelay is how long a request waits after something of ours failed.
const troubleDelay = 5 * time.Second

// watch waits for the end of the live execution and settles it.
func (l *lease) watch(ctx context.Context) error {
	l.watching = time.Now()
	// The outcome may have been stored before anybody listened for it.
	if done, err := l.settleIfStored(ctx); done || err != nil {
		return err
	}
	tick := time.NewTicker(multinode.RenewInterval)
	defer tick.Stop()
	// A worker that does not confirm its interrupt is told again.
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		var err error
		done := false
		select {
		case <-l.outcome:
			done, err = l.settleIfStored(ctx)
		case exit := <-l.exited:
			done, err = l.workerExited(ctx, exit)
		case call := <-l.hellos:
			err = l.welcome(ctx, call)
		case <-l.look:
			done, err = l.lookAgain(ctx)
		case <-again.C:
			l.remind()
		case <-tick.C:
			done, err = l.tend(ctx, time.Now()) // the tick may have waited here for long
		case <-ctx.Done():
			return ctx.Err()
		}
		if done {
			return err
		}
		if err != nil {
			if errors.Is(err, errDropped) || ctx.Err() != nil {
				return err
			}
			if errors.Is(err, streams.ErrUnavailable) {
				l.watching = time.Now() // the worker could not be heard either
			}
			// The worker goes on whatever the trouble is, and so does the lease.
			l.log.Warn("the execution is watched on in spite of an error", "execution_id", l.execution, "error", err)
		}
	}
}

// tend does what is due at every renewal. It relies on no notice: all of them may
// get lost.
func (l *lease) tend(ctx context.Context, now time.Time) (bool, error) {
	if err := l.renew(now); err != nil {
		return false, err
	}
	if done, err := l.settleIfStored(ctx); done || err != nil {
		return done, err
	}
	if done, err := l.lookAgain(ctx); done || err != nil {
		return done, err
	}
	return l.checkClocks(ctx, now)
}

// renew extends the lease, unless it has run out: then the request is another's
// by now, and this dispatcher, woken from a pause, must keep still.
func (l *lease) renew(now time.Time) error {
	// The clock on the wall counts too: a suspended machine's other one stands still.
	gap := max(now.Sub(l.renewed), now.Round(0).Sub(l.renewed.Round(0)))
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

// lookAgain reads the record and the ancestors' and acts on a cancel.
func (l *lease) lookAgain(ctx context.Context) (bool, error) {
	if err := l.reload(ctx); err != nil {
		return false, err
	}
	if live, ok := l.record.Live(); !ok || live.ID != l.execution {
		if l.record.Status.Terminal() {
			return true, l.finish(ctx) // whoever sees it may sweep up
		}
		return true, errDropped // the request is another dispatcher's by now
	}
	if l.record.CancelRequestedAt == nil {
		cancelled, err := l.d.ancestorEnded(ctx, l.record)
		if err != nil || !cancelled {
			return false, err
		}
		if err := l.apply(ctx, multinode.CancelRequested{At: time.Now().UTC()}); err != nil {
			return false, err
		}
	}
	return l.interrupt(ctx, multinode.Cancel)
}

func (l *lease) reload(ctx context.Context) error {
	record, revision, err := l.d.Store.Record(ctx, l.key)
	if err == nil && revision > l.revision { // a replica may lag behind what this lease has written
		l.record, l.revision = record, revision
	}
	return err
}

// apply stores what follows from the events, beginning with the record as this
// lease knows it.
func (l *lease) apply(ctx context.Context, events ...multinode.Event) error {
	var record *multinode.Invocation
	if l.revision != 0 {
		record = &l.record
	}
	stored, revision, err := l.d.Store.ApplyTo(ctx, l.key, record, l.revision, events...)
	if revision != 0 {
		l.record, l.revision = stored, revision
	}
	return err
}

// notice puts a notice in a channel of one place, unless there is one.
func notice[T any](c chan T, v T) {
	select {
	case c <- v:
	default:
	}
}

func (l *lease) executionKey() multinode.ExecutionKey { return l.key.Execution(l.execution) }
