package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

func openStore(t *testing.T) *streams.Store {
	t.Helper()
	server := embeddedtest.Start(t)
	nc, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	store, err := streams.Open(t.Context(), nc, streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return store
}

func spec(name string) multinode.FunctionSpec {
	return multinode.FunctionSpec{Name: name, CPU: 0.1, MemoryGiB: 0.25, MaxConcurrency: 2, Timeout: time.Hour}
}

// deploy makes a ready version with these functions serve.
func deploy(t *testing.T, s *streams.Store, project string, functions ...multinode.FunctionSpec) (multinode.Project, multinode.Version) {
	t.Helper()
	ctx := t.Context()
	p, err := s.Project(ctx, project)
	if errors.Is(err, streams.ErrNotFound) {
		p, err = s.CreateProject(ctx, project)
	}
	if err != nil {
		t.Fatal(err)
	}
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionReady, Functions: functions,
	}
	if err := s.CreateVersion(ctx, v, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Activate(ctx, v); err != nil {
		t.Fatal(err)
	}
	return p, v
}

func request(p multinode.Project, function string) streams.Request {
	return streams.Request{
		Key:   multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: function, ID: multinode.NewID(multinode.InvocationPrefix)},
		Input: []byte(`[[1], {}]`),
	}
}

func accept(t *testing.T, s *streams.Store, r streams.Request) streams.Request {
	t.Helper()
	sequence, err := s.Accept(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	r.Sequence = sequence
	return r
}

func TestAnAcceptedRequestIsFoundAtOnceAndItsIDIsTaken(t *testing.T) {
	s := openStore(t)
	p, v := deploy(t, s, "proj.ect ü", spec("fn"))
	r := request(p, "fn")
	r.Lineage = []multinode.Ancestor{{Function: "parent", ID: "inv-1"}}
	accept(t, s, r)

	record, revision, err := s.Record(t.Context(), r.Key)
	if err != nil || revision == 0 {
		t.Fatalf("record %+v at %d: %v", record, revision, err)
	}
	if record.Status != multinode.Pending || record.Version != v.ID || len(record.Lineage) != 1 {
		t.Errorf("the record is %+v", record)
	}
	if _, err := s.Accept(t.Context(), r); !errors.Is(err, streams.ErrDuplicate) {
		t.Errorf("the second acceptance returned %v", err)
	}
	stored, err := s.Request(t.Context(), r.Key)
	if err != nil || string(stored.Input) != string(r.Input) {
		t.Errorf("the stored request is %+v, %v", stored, err)
	}
}

func TestARequestWithoutAVersionRunsOnTheOneThatServedThen(t *testing.T) {
	s := openStore(t)
	p, first := deploy(t, s, "p", spec("fn"))
	before := accept(t, s, request(p, "fn"))
	_, second := deploy(t, s, "p", spec("fn"))
	after := accept(t, s, request(p, "fn"))
	for _, c := range []struct {
		request streams.Request
		version string
	}{{before, first.ID}, {after, second.ID}} {
		record, _, err := s.Record(t.Context(), c.request.Key)
		if err != nil || record.Version != c.version {
			t.Errorf("sequence %d runs on %s, not %s: %v", c.request.Sequence, record.Version, c.version, err)
		}
	}
}

func TestTheFirstOutcomeCounts(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	k := request(p, "fn").Key.Execution("exe-1")
	first := multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")}
	if _, won, err := s.PutOutcome(t.Context(), k, first); !won || err != nil {
		t.Fatal(won, err)
	}
	stored, won, err := s.PutOutcome(t.Context(), k, multinode.Outcome{Kind: multinode.OutcomeLost, Error: "silent"})
	if won || err != nil || stored.Kind != multinode.OutcomeSucceeded || string(stored.Output) != "1" {
		t.Errorf("the second put returned %+v, %v, %v", stored, won, err)
	}
}

func TestAnErrorTextOfAnyKindSurvives(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	k := request(p, "fn").Key.Execution("exe-1")
	text := "ValueError: a\r\nb\x00 \"ü\" 日本 <>&"
	if _, _, err := s.PutOutcome(t.Context(), k, multinode.Outcome{Kind: multinode.OutcomeFailed, Error: text}); err != nil {
		t.Fatal(err)
	}
	stored, _, err := s.Outcome(t.Context(), k)
	if err != nil || stored.Error != text || stored.Output != nil {
		t.Errorf("stored %+v, %v", stored, err)
	}
}

func TestConcurrentWritersOfARecordLoseNothing(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := accept(t, s, request(p, "fn"))
	const writers = 8
	results := make(chan error, writers)
	for range writers {
		go func() {
			_, _, err := s.Apply(t.Context(), r.Key, multinode.LaunchIntended{Execution: multinode.NewID("exe"), At: time.Now()})
			results <- err
		}()
	}
	if _, _, err := s.Record(t.Context(), r.Key); err != nil {
		t.Fatal(err)
	}
	won := 0
	for range writers {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, multinode.ErrLive) && !errors.Is(err, multinode.ErrNoRecord):
			t.Error(err)
		}
	}
	if won > 1 {
		t.Errorf("%d executions were intended at a time", won)
	}
}

func TestTheIntakeDeliversUpToTheQuotaAndGoesOnAfterAnAck(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	deliveries := make(chan *streams.Delivery, 10)
	intake := s.NewIntake(func(d *streams.Delivery) { deliveries <- d })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- intake.Run(ctx) }()
	for range 3 {
		accept(t, s, request(p, "fn"))
	}
	first, second := <-deliveries, <-deliveries
	select {
	case d := <-deliveries:
		t.Fatalf("%s was delivered beyond the quota", d.Key.ID)
	default:
	}
	if err := first.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := <-deliveries
	if third.Sequence != 3 || second.Sequence != 2 || third.Key.Project != "p" {
		t.Errorf("delivered %+v after %+v", third.Key, second.Key)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestADeletedProjectLeavesNothingAndItsNameIsFree(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := accept(t, s, request(p, "fn"))
	if _, _, err := s.Record(t.Context(), r.Key); err != nil {
		t.Fatal(err)
	}
	if err := s.Retire(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Accept(t.Context(), request(p, "fn")); !errors.Is(err, streams.ErrNotDeployed) {
		t.Errorf("a retired function answered %v", err)
	}
	if err := s.DeleteProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Project(t.Context(), "p"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the project is still there: %v", err)
	}
	again, _ := deploy(t, s, "p", spec("fn"))
	if again.Generation == p.Generation {
		t.Error("the generation was used twice")
	}
	accept(t, s, request(again, "fn"))
}
