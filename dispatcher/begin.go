package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
	"multinode/streams"
)

// recordLikely is the age from which a request is likely to have a record.
const recordLikely = time.Second

// begin brings a delivered request to a live execution. It returns errDropped
// where the request was answered instead.
func (l *lease) begin(ctx context.Context) error {
	failpoint.Hit("dispatcher.delivered")
	// What has waited in line has a record: reading it first saves a write that can only
	// be refused. Otherwise creation and intent are one write.
	if l.d.now().Sub(l.delivery.Time) > recordLikely {
		var err error
		if l.record, l.revision, err = l.d.Store.Known(ctx, l.key); err != nil {
			return err
		}
	}
	accepted, err := l.d.Store.Accepted(ctx, l.delivery.Request)
	if errors.Is(err, streams.ErrMalformed) {
		return l.reject(ctx, accepted, err)
	}
	if err != nil {
		return err
	}
	if crowded, failure := l.crowded(ctx); crowded || failure != nil {
		return l.standBack(ctx, accepted, failure)
	}
	execution := multinode.NewID(multinode.ExecutionPrefix)
	events := []multinode.Event{accepted, multinode.LaunchIntended{
		Execution: execution, Place: l.d.Provisioner.Place(), At: l.d.now(),
	}}
	ended, err := l.d.ancestorEnded(ctx, multinode.Invocation{Key: l.key, Lineage: accepted.Lineage})
	if err != nil {
		return err
	}
	if ended = ended || l.d.undeploying(ctx, l.key.Project, l.key.Generation); ended {
		events = []multinode.Event{accepted, multinode.CancelRequested{At: l.d.now()}}
	}
	err = l.apply(ctx, events...)
	switch {
	case errors.Is(err, multinode.ErrTerminal):
		return answered(l.finish(ctx))
	case errors.Is(err, multinode.ErrLive), err == nil && ended && !l.record.Status.Terminal():
		return l.adopt(ctx)
	case err != nil:
		return err
	case ended:
		return answered(l.finish(ctx))
	}
	failpoint.Hit("dispatcher.intended")
	l.hold(execution)
	return l.launch(ctx)
}

// standBack begins nothing new, for want of a slot or of knowledge whether there is
// one. What is live is adopted all the same, and what has ended is answered.
func (l *lease) standBack(ctx context.Context, accepted multinode.Accepted, failure error) error {
	if err := l.apply(ctx, accepted); err != nil {
		return err
	}
	if _, live := l.record.Live(); live {
		return l.adopt(ctx)
	}
	if l.record.Status.Terminal() {
		return answered(l.finish(ctx))
	}
	if failure != nil {
		return failure
	}
	l.log.Debug("the function's slots are taken")
	return answered(l.putBack(slotPause))
}

// hold makes this lease the one that hears of the execution.
func (l *lease) hold(execution string) {
	l.execution = execution
	l.log = l.log.With("execution_id", execution)
	l.d.own(execution, l)
}

// adopt takes over an execution that an earlier owner intended or launched.
func (l *lease) adopt(ctx context.Context) error {
	live, ok := l.record.Live()
	if !ok {
		return errors.New("there is no live execution to adopt")
	}
	l.hold(live.ID)
	if live.Worker != nil {
		l.worker = *live.Worker
	}
	l.noteTimes(live)
	switch _, _, err := l.d.Store.Outcome(ctx, l.executionKey()); {
	case err == nil:
		return nil // watch settles it
	case !errors.Is(err, streams.ErrNotFound):
		return err
	}
	if !l.isHere(live) {
		failpoint.Hit("dispatcher.adopted")
		return l.adoptElsewhere(ctx, live)
	}
	presence, err := l.d.presence(ctx, live)
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.adopted")
	l.log.Info("adopted an execution", "state", string(live.State), "worker_alive", presence == provision.Alive)
	switch {
	case presence == provision.Alive && live.OverHTTP() && live.InterruptedAt != nil:
		l.stopGently()
	case presence == provision.Alive:
	case live.State == multinode.Starting && l.record.CancelRequestedAt == nil:
		// The intent may have been stored and nothing launched: launching is
		// idempotent.
		return l.launch(ctx)
	case presence == provision.Gone:
		l.gone = exitUnseen(live.ID)
	} // what is not shown may live all the same: its silence decides
	return nil
}

// reject ends an invocation that can never run.
func (l *lease) reject(ctx context.Context, accepted multinode.Accepted, reason error) error {
	execution := multinode.NewID(multinode.ExecutionPrefix)
	err := l.apply(ctx, accepted, multinode.LaunchIntended{
		Execution: execution, Place: l.d.Provisioner.Place(), At: l.d.now(),
	})
	if errors.Is(err, multinode.ErrTerminal) {
		return answered(l.finish(ctx))
	}
	if errors.Is(err, multinode.ErrLive) {
		live, _ := l.record.Live()
		execution, err = live.ID, nil
	}
	if err != nil {
		return err
	}
	failpoint.Hit("dispatcher.rejecting")
	l.hold(execution)
	return answered(l.verdict(ctx, multinode.OutcomeLaunchFailed, "it cannot be run: "+reason.Error()))
}
