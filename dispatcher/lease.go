package dispatcher

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
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
	// waited is how long the worker of an adopted execution had had to announce itself.
	waited time.Duration
	// runsSince is since when the user's code runs; zero where it does not. adopted
	// tells that this rests on the clock of whoever let the worker in.
	runsSince time.Time
	adopted   bool
	// gone is the end of the worker, once that was seen.
	gone *provision.Exit
	// stopping tells that the provisioner is ending the worker with grace.
	stopping bool
	// unkeep ends the renewal beside what takes long; nil where there is none.
	unkeep func()

	hellos  chan helloCall
	outcome chan struct{}
	exited  chan provision.Exit
	look    chan struct{}
	// end ends the lease from outside; errDropped as the cause says that it is
	// another's. ended is closed when it has ended.
	end   context.CancelCauseFunc
	life  context.Context //nolint:containedctx // for what the lease does beside its loop
	ended chan struct{}
	// beyond is for what goes on after the lease: it ends with the dispatcher.
	beyond context.Context //nolint:containedctx // as life

	// missing tells that the reaper did not find the worker at its last pass.
	missing atomic.Bool

	// These three are read and written by the answers to beats, which must not wait.
	desired  atomic.Value              // multinode.Desired
	lastBeat atomic.Pointer[time.Time] // by the monotonic clock; nil before the first
	elapsed  atomic.Int64              // nanoseconds
}

func newLease(d *Dispatcher, delivery *streams.Delivery) *lease {
	l := &lease{
		d: d, delivery: delivery, key: delivery.Key, renewed: d.Clock.Now(),
		log: d.log.With("project", delivery.Key.Project, "function", delivery.Key.Function, "invocation_id", delivery.Key.ID),
		// One place each: a notice says that there is something to look at, and
		// the second of two says nothing new.
		hellos: make(chan helloCall), outcome: make(chan struct{}, 1),
		exited: make(chan provision.Exit, 1), look: make(chan struct{}, 1),
		ended: make(chan struct{}), life: context.Background(), beyond: context.Background(), end: func(error) {},
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
	err := l.whileRenewed(ctx, l.begin, l.look)
	if err == nil {
		err = l.watch(ctx)
	}
	switch {
	case err == nil, errors.Is(err, errDropped), errors.Is(context.Cause(ctx), errDropped):
	case ctx.Err() != nil, errors.Is(err, errCutShort):
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
	l.watching = l.d.Clock.Now()
	// The outcome may have been stored before anybody listened for it.
	if done, err := l.settleIfStored(ctx); done || err != nil {
		return err
	}
	if l.gone != nil {
		if done, err := l.workerExited(ctx); done || err != nil {
			return err
		}
	}
	if l.record.CancelRequestedAt != nil {
		notice(l.look, struct{}{}) // not sooner: it would cut the adoption short
	}
	tick := l.d.Clock.NewTicker(multinode.RenewInterval)
	defer tick.Stop()
	// A worker that does not confirm its interrupt is told again.
	again := l.d.Clock.NewTicker(remindInterval)
	defer again.Stop()
	for {
		var err error
		done := false
		select {
		case <-l.outcome:
			done, err = l.settleIfStored(ctx)
		case exit := <-l.exited:
			l.gone = &exit
			done, err = l.workerExited(ctx)
		case call := <-l.hellos:
			err = l.welcome(ctx, call)
		case <-l.look:
			done, err = l.lookAgain(ctx)
		case <-again.Chan():
			l.remind()
			done, err = l.checkTimeout(ctx, l.d.Clock.Now())
		case <-tick.Chan():
			done, err = l.tend(ctx, l.d.Clock.Now()) // the tick may have waited here for long
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
				l.watching = l.d.Clock.Now() // the worker could not be heard either
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
	if l.gone != nil {
		return l.workerExited(ctx)
	}
	if done, err := l.lookAgain(ctx); done || err != nil {
		return done, err
	}
	if err := l.noteLaunch(ctx); err != nil {
		return false, err
	}
	return l.checkClocks(ctx, now)
}

// noteLaunch stores the handle of a worker that takes its time to announce itself.
// That of a quick one is stored when it does.
func (l *lease) noteLaunch(ctx context.Context) error {
	live, ok := l.record.Live()
	if !ok || live.State != multinode.Starting || live.Worker != nil || l.worker == (multinode.Worker{}) {
		return nil
	}
	err := l.apply(ctx, multinode.WorkerLaunched{Execution: l.execution, Worker: l.worker, At: l.d.now()})
	if errors.Is(err, multinode.ErrFenced) {
		return nil // what that means is seen at the next look
	}
	return err
}

// lookAgain reads the record and the ancestors' and acts on a cancel.
func (l *lease) lookAgain(ctx context.Context) (bool, error) {
	if err := l.reload(ctx); err != nil {
		return false, err
	}
	live, ok := l.record.Live()
	if !ok || live.ID != l.execution {
		if l.record.Status.Terminal() {
			return true, l.finish(ctx) // whoever sees it may sweep up
		}
		return true, errDropped // the request is another dispatcher's by now
	}
	l.noteStart(live)
	if l.record.CancelRequestedAt == nil {
		cancelled, err := l.d.ancestorEnded(ctx, l.record)
		if err != nil || !cancelled {
			return false, err
		}
		if err := l.apply(ctx, multinode.CancelRequested{At: l.d.now()}); err != nil {
			return false, err
		}
		failpoint.Hit("dispatcher.cancel_inherited")
	}
	return l.interrupt(ctx, multinode.Cancel)
}

func (l *lease) reload(ctx context.Context) error {
	// From the leader: workers are stopped for what it says, and a hint may come
	// sooner than a replica.
	record, revision, err := l.d.Store.CurrentRevision(ctx, l.key)
	if err == nil {
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
