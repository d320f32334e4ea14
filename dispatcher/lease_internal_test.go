package dispatcher

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// stops is a provisioner that only notes what it is to stop.
type stops struct {
	provision.Provisioner
	stopped []string
}

func (s *stops) Stop(_ context.Context, execution string, _ multinode.Worker, _ time.Duration) error {
	s.stopped = append(s.stopped, execution)
	return nil
}

// delivered returns a dispatcher that does not run, and the request of an
// invocation with one retry as delivered to it.
func delivered(t *testing.T) (*Dispatcher, *stops, *streams.Delivery) {
	t.Helper()
	nc, err := embeddedtest.Start(t).Connect("test")
	must(t, err)
	t.Cleanup(nc.Close)
	store, err := streams.Open(t.Context(), nc, streams.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	p, err := store.CreateProject(t.Context(), "p")
	must(t, err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation, State: multinode.VersionReady,
		Functions: []multinode.FunctionSpec{{Name: "fn", CPU: 1, MemoryGiB: 1, MaxConcurrency: 1, MaxRetries: 1, Timeout: time.Hour}},
	}
	must(t, store.CreateVersion(t.Context(), v, nil))
	must(t, store.Activate(t.Context(), v))
	k := multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: "fn", ID: multinode.NewID(multinode.InvocationPrefix)}
	_, err = store.Accept(t.Context(), streams.Request{Key: k, Input: []byte("[[], {}]")})
	must(t, err)

	deliveries, done := make(chan *streams.Delivery, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	intake := store.NewIntake(func(d *streams.Delivery) { deliveries <- d })
	go func() { done <- intake.Run(ctx) }()
	delivery := <-deliveries
	cancel()
	must(t, <-done)
	provisioner := &stops{}
	clock := clockwork.NewFakeClock()
	return &Dispatcher{
		Options: Options{Store: store, Provisioner: provisioner, Clock: clock}, log: slog.New(slog.DiscardHandler),
		leases: map[string]*lease{}, all: map[multinode.InvocationKey]*lease{}, cancels: newCancelQueue(), passing: newCancelQueue(), strangers: newStrangers(clock), unowned: newUnowned(),
	}, provisioner, delivery
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestALeaseThatWakesUpLateSparesTheRetry(t *testing.T) {
	d, provisioner, delivery := delivered(t)
	ctx, now := t.Context(), time.Now()
	late := newLease(d, delivery)
	var err error
	late.record, late.revision, err = d.Store.Record(ctx, late.key)
	must(t, err)
	must(t, late.apply(ctx, multinode.LaunchIntended{Execution: "exe-1", At: now}))
	late.hold("exe-1")
	// Another dispatcher settles it, and gets on with the retry.
	failed := multinode.Outcome{Kind: multinode.OutcomeFailed}
	_, _, err = d.Store.PutOutcome(ctx, late.executionKey(), failed)
	must(t, err)
	_, _, err = d.Store.Apply(ctx, late.key,
		multinode.ExecutionEnded{Execution: "exe-1", Outcome: failed.Kind, At: now}, multinode.LaunchIntended{Execution: "exe-2", At: now})
	must(t, err)

	if _, err := late.settleIfStored(ctx); !errors.Is(err, errDropped) {
		t.Errorf("the late lease went on: %v", err)
	}
	if len(provisioner.stopped) != 0 {
		t.Errorf("it stopped %v", provisioner.stopped)
	}
	if err := delivery.Ack(ctx); err != nil {
		t.Errorf("it has answered the request: %v", err)
	}
}
