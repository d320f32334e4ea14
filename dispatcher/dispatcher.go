package dispatcher

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/sync/errgroup"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/dispatcher/build/container"
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
	// Builder prepares versions for compute that runs folders, Images for compute that
	// runs images: one of them is needed.
	Builder Builder
	Images  Images
	// MintWorker makes a NATS credentials file for one execution's worker.
	MintWorker func(execution, executionKey string, expires time.Time) ([]byte, error)
	// RevokeWorkers makes the servers end the connections of these executions'
	// workers, and of no others, and refuse new ones until those times. Optional:
	// without it the credentials of a worker that was given up are good until they
	// expire.
	RevokeWorkers func(ctx context.Context, executions map[string]time.Time) error
	// NATSURL and APIURL are where workers reach NATS and the gateway.
	NATSURL string
	APIURL  string
	// NATSCA is the PEM text of the authorities by which workers know NATS, where
	// their machines do not; optional.
	NATSCA string
	// APICA is the same for the API; optional.
	APICA string
	// Retention is how long finished invocations are kept; 0 means for good.
	Retention time.Duration
	// RetentionBytes is what invocations may take in all, in bytes: above it those
	// that finished first go sooner. 0 means half of what the server may store.
	RetentionBytes int64
	// Clock is what leases, deadlines and the times in records go by. Optional: the
	// real one by default.
	Clock clockwork.Clock
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

// Images prepares versions as container images, by workers of the same provisioner;
// *container.Workshop is the one.
type Images interface {
	Prepare(ctx context.Context, v multinode.Version, progress func(line string)) (container.Result, error)
	// Has tells whether an image is where this dispatcher's workers are from.
	Has(image string) bool
	// Exited hears of the end of each worker; false: it was no build's.
	Exited(exit provision.Exit) bool
	// Wanted tells whether a worker is a build's, and whether anybody waits for it.
	Wanted(ctx context.Context, w provision.Worker) (ours, wanted bool, err error)
	// Keep removes the images that no version needs; false: something is in the way.
	Keep(ctx context.Context) (bool, error)
}

func (o Options) check() error {
	var errs []error
	for name, missing := range map[string]bool{
		"Store": o.Store == nil, "Index": o.Index == nil, "Provisioner": o.Provisioner == nil,
		"Builder or Images": o.Builder == nil && o.Images == nil, "MintWorker": o.MintWorker == nil, "NATSURL": o.NATSURL == "", "APIURL": o.APIURL == "",
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
	all    map[multinode.InvocationKey]*lease

	running sync.WaitGroup
	// cancels and passing hold those whose descendants are to be looked at: what
	// somebody asked for, and what follows from that.
	cancels, passing *cancelQueue
	// strangers are workers that beat and have no lease here.
	strangers *strangers
	missing   *missing
	unowned   unowned
}

// New checks the options and returns a dispatcher that does nothing before Run.
func New(o Options) (*Dispatcher, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	return &Dispatcher{
		Options: o, log: o.Logger,
		leases: map[string]*lease{}, all: map[multinode.InvocationKey]*lease{},
		cancels: newCancelQueue(), passing: newCancelQueue(), strangers: newStrangers(o.Clock), missing: newMissing(o.Clock), unowned: newUnowned(),
	}, nil
}

// now is the time that goes into records.
func (d *Dispatcher) now() time.Time { return d.Clock.Now().UTC() }

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
	if err := d.Store.FollowExits(ctx, d.exitTold); err != nil {
		return err
	}
	if err := d.Store.ServeLeases(ctx, d.holds); err != nil {
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
		pull, d.serveWorkers, d.servePlace, d.watchExits, d.carryCancels, d.tendRegistry, d.reap, d.reconcileRecords,
		d.findOrphans, d.retain, d.answerStrangers, d.tendRevoked, d.tendImages,
		d.settleUnowned, d.pickUp,
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

// take starts a lease's goroutine. A request that is delivered here once more,
// as after a crash of the server, has one lease all the same: the newer one.
func (d *Dispatcher) take(ctx context.Context, delivery *streams.Delivery) {
	l := newLease(d, delivery)
	l.beyond = ctx
	ctx, l.end = context.WithCancelCause(ctx)
	l.life = ctx
	d.mu.Lock()
	earlier := d.all[l.key]
	d.all[l.key] = l
	d.mu.Unlock()
	d.running.Go(func() {
		defer close(l.ended)
		defer d.forget(l)
		defer l.end(nil)
		if earlier != nil {
			earlier.end(errDropped)
			<-earlier.ended
		}
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
	if d.all[l.key] == l {
		delete(d.all, l.key)
	}
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
