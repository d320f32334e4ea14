package dispatcher

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

// helloCall is a worker's announcement on its way to its lease.
type helloCall struct {
	incarnation string
	// answer takes one assignment, or nil for "leave", or is closed where there
	// is nothing to say yet.
	answer chan *multinode.Assignment
}

func (d *Dispatcher) serveWorkers(ctx context.Context) error { return d.Store.ServeWorkers(ctx, d) }

// Hello implements streams.WorkerHandler. Only the owner lets a worker in; one
// without an owner asks again until its execution has been adopted. That it is
// over, anybody may say.
func (d *Dispatcher) Hello(ctx context.Context, k multinode.ExecutionKey, incarnation string) (*multinode.Assignment, bool) {
	l := d.lease(k.ID)
	if l == nil {
		over, err := d.over(ctx, k)
		return nil, err == nil && over
	}
	call := helloCall{incarnation: incarnation, answer: make(chan *multinode.Assignment, 1)}
	timeout := time.NewTimer(2 * multinode.BeatInterval) // for the worker, which is real
	defer timeout.Stop()
	select {
	case l.hellos <- call:
	case <-timeout.C:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
	select {
	case assignment, ok := <-call.answer:
		return assignment, ok
	case <-timeout.C:
		return nil, false
	case <-ctx.Done():
		return nil, false
	}
}

// Beat implements streams.WorkerHandler.
func (d *Dispatcher) Beat(k multinode.ExecutionKey, b multinode.Beat) (multinode.Desired, bool) {
	l := d.lease(k.ID)
	if l == nil {
		d.strangers.beats(k)
		return "", false
	}
	l.heard()
	l.elapsed.Store(int64(b.Elapsed))
	return l.desired.Load().(multinode.Desired), true
}

// heard notes a sign of life.
func (l *lease) heard() {
	now := l.d.Clock.Now()
	l.lastBeat.Store(&now)
}

// welcome lets the worker in: STARTING becomes RUNNING for this very execution
// and worker, and only then it gets the input.
func (l *lease) welcome(ctx context.Context, call helloCall) error {
	defer close(call.answer)
	if (multinode.Execution{Incarnation: call.incarnation}).OverHTTP() {
		call.answer <- nil // it claims to be what it is not
		return nil
	}
	l.heard()
	ended, err := l.d.ancestorEnded(ctx, l.record)
	if err != nil {
		return err
	}
	if ended {
		notice(l.look, struct{}{})
		return nil
	}
	var events []multinode.Event
	now := l.d.now()
	if l.worker != (multinode.Worker{}) {
		events = append(events, multinode.WorkerLaunched{Execution: l.execution, Worker: l.worker, At: now})
	}
	err = l.apply(ctx, append(events, multinode.WorkerStarted{Execution: l.execution, Incarnation: call.incarnation, At: now})...)
	switch {
	case errors.Is(err, multinode.ErrFenced), errors.Is(err, multinode.ErrTerminal):
		call.answer <- nil
		notice(l.look, struct{}{})
		return nil
	case errors.Is(err, multinode.ErrCancelRequested):
		notice(l.look, struct{}{}) // the interrupt ends it
		return nil
	case err != nil:
		return err
	}
	failpoint.Hit("dispatcher.running")
	if live, ok := l.record.Live(); ok {
		l.noteStart(live)
	}
	assignment, err := l.assignment(ctx)
	if err != nil {
		return err // the worker asks again
	}
	call.answer <- assignment
	return nil
}

func (l *lease) assignment(ctx context.Context) (*multinode.Assignment, error) {
	version, err := l.version(ctx)
	if err != nil {
		return nil, err
	}
	environment, err := l.d.Store.VersionEnvironment(ctx, version)
	if err != nil {
		return nil, err
	}
	return &multinode.Assignment{
		Key: l.executionKey(), Version: l.record.Version, Timeout: l.record.Spec.Timeout,
		Environment: environment, Input: l.delivery.Input,
	}, nil
}

// watchExits tells leases, here or elsewhere, that their worker was seen to end.
func (d *Dispatcher) watchExits(ctx context.Context) error {
	for {
		select {
		case exit, ok := <-d.Provisioner.Exits():
			if !ok {
				return nil
			}
			d.exited(exit)
		case <-ctx.Done():
			return nil
		}
	}
}

// presence tells whether the provisioner knows a living worker of the execution.
func (d *Dispatcher) presence(ctx context.Context, x multinode.Execution) (provision.Presence, error) {
	if finder, ok := d.Provisioner.(provision.Finder); ok {
		var handle multinode.Worker
		if x.Worker != nil {
			handle = *x.Worker
		}
		return finder.Find(ctx, x.ID, handle, x.CreatedAt)
	}
	workers, err := d.Provisioner.List(ctx)
	if err != nil {
		return provision.Unknown, err
	}
	for _, w := range workers {
		if w.ExecutionID == x.ID && w.Alive {
			return provision.Alive, nil
		}
	}
	return provision.Gone, nil
}

// exitUnseen stands for the exit of a worker that ended while nobody watched.
func exitUnseen(execution string) *provision.Exit {
	return &provision.Exit{ExecutionID: execution, Detail: "it ended while no dispatcher was watching"}
}
