package dispatcher

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// compute is a provisioner whose workers are names on a list.
type compute struct {
	place string
	// launch decides on a launch; nil means that it works.
	launch func(context.Context) error
	// stopping decides on a stop; nil means that it works.
	stopping func(context.Context) error

	mu       sync.Mutex
	alive    map[string]bool
	launched []string
	stopped  []stop
	exits    chan provision.Exit
}

type stop struct {
	execution string
	grace     time.Duration
}

func newCompute(place string) *compute {
	return &compute{place: place, alive: map[string]bool{}, exits: make(chan provision.Exit)}
}

func (c *compute) Place() string                { return c.place }
func (c *compute) Exits() <-chan provision.Exit { return c.exits }
func (c *compute) Close() error                 { return nil }

func (c *compute) Launch(ctx context.Context, i provision.Intent) (multinode.Worker, error) {
	if c.launch != nil {
		if err := c.launch(ctx); err != nil {
			return multinode.Worker{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.launched = append(c.launched, i.ExecutionID)
	c.alive[i.ExecutionID] = true
	return multinode.Worker{Kind: "test", ID: i.ExecutionID}, nil
}

func (c *compute) Stop(ctx context.Context, execution string, _ multinode.Worker, grace time.Duration) error {
	if c.stopping != nil {
		if err := c.stopping(ctx); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = append(c.stopped, stop{execution, grace})
	delete(c.alive, execution)
	return nil
}

func (c *compute) List(context.Context) ([]provision.Worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var workers []provision.Worker
	for id, alive := range c.alive {
		workers = append(workers, provision.Worker{ExecutionID: id, Started: true, Alive: alive})
	}
	return workers, nil
}

func (c *compute) launches() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.launched)
}

func (c *compute) stops() []stop {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.stopped)
}

// located is a builder whose code is there, unless failure says otherwise.
type located struct{ failure error }

func (located) Prepare(context.Context, build.Source, func(string)) (build.Result, error) {
	return build.Result{}, nil
}
func (b *located) Locate(context.Context, string, func() (io.ReadCloser, error)) (build.Code, error) {
	return build.Code{}, b.failure
}
func (*located) Keep([]string) error { return nil }

func newClockAt(at time.Time) *clockwork.FakeClock { return clockwork.NewFakeClockAt(at) }

// bench drives leases step by step, on a clock of its own: no dispatcher runs.
type bench struct {
	t       *testing.T
	nc      *nats.Conn
	store   *streams.Store
	version multinode.Version
	clock   *clockwork.FakeClock
	project multinode.Project
	build   *located
	// deliveries holds those that came and were not asked for yet.
	deliveries chan *streams.Delivery
	// renewals gets each renewal of a lease.
	renewals chan struct{}
}

func newBench(t *testing.T, change ...func(*multinode.FunctionSpec)) *bench {
	t.Helper()
	nc, err := embeddedtest.Start(t).Connect("test")
	must(t, err)
	t.Cleanup(nc.Close)
	b := &bench{t: t, nc: nc, clock: clockwork.NewFakeClock(), build: &located{}, deliveries: make(chan *streams.Delivery, multinode.MaxConcurrency), renewals: make(chan struct{}, 10_000)}
	// Answers to requests pass by here, too.
	_, err = nc.Subscribe("$JS.ACK.>", func(m *nats.Msg) {
		switch answer := string(m.Data); {
		case answer == "+WPI":
			b.renewals <- struct{}{}
		case strings.HasPrefix(answer, "-NAK {"):
			_ = nc.Publish(m.Subject, []byte("-NAK")) // the test need not wait for the delay
		}
	})
	must(t, err)
	b.store, err = streams.Open(t.Context(), nc, streams.Options{})
	must(t, err)
	t.Cleanup(b.store.Close)
	b.project, err = b.store.CreateProject(t.Context(), "p")
	must(t, err)
	spec := multinode.FunctionSpec{Name: "fn", CPU: 1, MemoryGiB: 1, MaxConcurrency: 1, MaxRetries: 1, Timeout: time.Hour}
	for _, c := range change {
		c(&spec)
	}
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: "p", Generation: b.project.Generation,
		State: multinode.VersionReady, Bundle: "bundle", Functions: []multinode.FunctionSpec{spec},
	}
	must(t, b.store.CreateVersion(t.Context(), v, nil))
	must(t, b.store.Activate(t.Context(), v))
	b.version = v
	return b
}

// dispatcher returns one at the place.
func (b *bench) dispatcher(c *compute) *Dispatcher {
	return &Dispatcher{
		Options: Options{
			Store: b.store, Provisioner: c, Clock: b.clock, Builder: b.build,
			MintWorker: func(string, string, time.Time) ([]byte, error) { return nil, nil },
		},
		log: slog.New(slog.DiscardHandler), leases: map[string]*lease{}, all: map[multinode.InvocationKey]*lease{},
		cancels: newCancelQueue(), passing: newCancelQueue(), strangers: newStrangers(b.clock), unowned: newUnowned(),
	}
}

func (b *bench) accept(lineage ...multinode.Ancestor) multinode.InvocationKey {
	b.t.Helper()
	k := multinode.InvocationKey{Project: "p", Generation: b.project.Generation, Function: "fn", ID: multinode.NewID(multinode.InvocationPrefix)}
	_, err := b.store.Accept(b.t.Context(), streams.Request{Key: k, Lineage: lineage, Input: []byte("[[], {}]")})
	must(b.t, err)
	return k
}

// delivery waits for the next request.
func (b *bench) delivery() *streams.Delivery {
	b.t.Helper()
	if len(b.deliveries) > 0 {
		return <-b.deliveries
	}
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(b.t.Context())
	intake := b.store.NewIntake(func(d *streams.Delivery) { b.deliveries <- d })
	go func() { done <- intake.Run(ctx) }()
	d := <-b.deliveries
	cancel()
	must(b.t, <-done)
	return d
}

// begun returns a lease of the dispatcher's whose execution it has launched or
// adopted.
func (b *bench) begun(d *Dispatcher) *lease {
	b.t.Helper()
	l := newLease(d, b.delivery())
	must(b.t, l.begin(b.t.Context()))
	l.watching = b.clock.Now()
	return l
}

// running lets the lease's worker in.
func (b *bench) running(l *lease, incarnation string) {
	b.t.Helper()
	call := helloCall{incarnation: incarnation, answer: make(chan *multinode.Assignment, 1)}
	must(b.t, l.welcome(b.t.Context(), call))
	if a := <-call.answer; a == nil {
		b.t.Fatal("the worker was not let in")
	}
}

// pass lets time go by as it does for a lease that is tended. It returns what the
// last look at it said.
func (b *bench) pass(l *lease, d time.Duration, between func()) (done bool, err error) {
	b.t.Helper()
	step := multinode.RenewInterval
	if d > time.Hour {
		step = multinode.RenewInterval + 2*multinode.BeatInterval // the widest gap that still counts as listening
	}
	for end := b.clock.Now().Add(d); b.clock.Now().Before(end); {
		if between != nil {
			between()
		}
		b.clock.Advance(min(step, end.Sub(b.clock.Now())))
		if done, err = l.tend(b.t.Context(), b.clock.Now()); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// amnesia has the server deliver everything again, and again as delivery 1, as it
// may after a crash.
func (b *bench) amnesia() {
	b.t.Helper()
	js, err := jetstream.New(b.nc)
	must(b.t, err)
	name, err := js.StreamNameBySubject(b.t.Context(), "mn.invoke.>")
	must(b.t, err)
	stream, err := js.Stream(b.t.Context(), name)
	must(b.t, err)
	for consumer := range stream.ConsumerNames(b.t.Context()).Name() {
		must(b.t, stream.DeleteConsumer(b.t.Context(), consumer))
	}
	must(b.t, b.store.Activate(b.t.Context(), b.version))
}

func (b *bench) record(k multinode.InvocationKey) multinode.Invocation {
	b.t.Helper()
	record, err := b.store.CurrentRecord(b.t.Context(), k)
	must(b.t, err)
	return record
}

func (b *bench) outcome(l *lease) multinode.Outcome {
	b.t.Helper()
	o, _, err := b.store.Outcome(b.t.Context(), l.executionKey())
	must(b.t, err)
	return o
}
