package dispatcher

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
	"multinode/streams"
	"multinode/streams/index"
)

// Options say what a dispatcher works with. All fields without a comment that
// says otherwise are required.
type Options struct {
	Store *streams.Store
	// Index must be fed by somebody else, as by its Run.
	Index       *index.Index
	Provisioner provision.Provisioner
	Builder     Builder
	// MintWorker makes a NATS credentials file for one execution's worker.
	MintWorker func(execution, executionKey string, expires time.Time) ([]byte, error)
	// NATSURL and APIURL are where workers reach NATS and the gateway.
	NATSURL string
	APIURL  string
	// Logger is optional.
	Logger *slog.Logger
}

// Builder prepares versions; *build.Builder is the one.
type Builder interface {
	Prepare(ctx context.Context, s build.Source, progress func(line string)) (build.Result, error)
	Locate(ctx context.Context, digest string, fetch func() (io.ReadCloser, error)) (build.Code, error)
	// Keep removes what belongs to none of these bundles.
	Keep(digests []string) error
}

func (o Options) check() error {
	var errs []error
	for name, missing := range map[string]bool{
		"Store": o.Store == nil, "Index": o.Index == nil, "Provisioner": o.Provisioner == nil,
		"Builder": o.Builder == nil, "MintWorker": o.MintWorker == nil, "NATSURL": o.NATSURL == "", "APIURL": o.APIURL == "",
	} {
		if missing {
			errs = append(errs, errors.New("dispatcher: the option "+name+" is missing"))
		}
	}
	return errors.Join(errs...)
}

// Dispatcher owns leases on requests and runs their workers.
type Dispatcher struct {
	Options
	log *slog.Logger

	mu     sync.Mutex
	leases map[string]*lease // by execution ID
	all    map[*lease]struct{}

	running sync.WaitGroup
	// carries the cancels whose descendants are to be looked at.
	cancels *cancelQueue
}

// New checks the options and returns a dispatcher that does nothing before Run.
func New(o Options) (*Dispatcher, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Dispatcher{
		Options: o, log: o.Logger,
		leases: map[string]*lease{}, all: map[*lease]struct{}{}, cancels: newCancelQueue(),
	}, nil
}

// Run works until ctx ends. It then gives its leases back at once, so that
// another dispatcher, or the next run, adopts the workers, which go on.
func (d *Dispatcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Whatever is delivered must find the listeners listening.
	if err := d.Store.FollowOutcomes(ctx, d.outcomeStored); err != nil {
		return err
	}
	if err := d.Store.FollowCancels(ctx, d.cancelHinted); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	// Leases are given back when nothing is delivered here any more: they would
	// come straight back.
	leases, giveBack := context.WithCancel(context.WithoutCancel(ctx))
	intake := d.Store.NewIntake(func(delivery *streams.Delivery) {
		if ctx.Err() != nil {
			_ = delivery.Nak(0) // others may have it
			return
		}
		d.take(leases, delivery)
	})
	pull := func(ctx context.Context) error {
		defer giveBack()
		return intake.Run(ctx)
	}
	for _, loop := range []func(context.Context) error{
		pull, d.serveWorkers, d.watchExits, d.carryCancels, d.tendRegistry, d.reap,
	} {
		group.Go(func() error { return loop(ctx) })
	}
	err := group.Wait()
	d.running.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// take starts a lease's goroutine.
func (d *Dispatcher) take(ctx context.Context, delivery *streams.Delivery) {
	l := newLease(d, delivery)
	d.mu.Lock()
	d.all[l] = struct{}{}
	d.mu.Unlock()
	d.running.Go(func() {
		defer d.forget(l)
		l.run(ctx)
	})
}

// own makes notices for an execution reach its lease.
func (d *Dispatcher) own(execution string, l *lease) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leases[execution] = l
}

func (d *Dispatcher) forget(l *lease) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.all, l)
	if d.leases[l.execution] == l {
		delete(d.leases, l.execution)
	}
}

// lease returns the lease on an execution, if this dispatcher has it.
func (d *Dispatcher) lease(execution string) *lease {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leases[execution]
}

// fetch opens a stored bundle.
func (d *Dispatcher) fetch(ctx context.Context, digest string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return d.Store.Bundle(ctx, digest) }
}
