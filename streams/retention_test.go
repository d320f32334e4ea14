package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// finished runs an accepted invocation to its end, with something of everything
// that can be stored of it.
func finished(t *testing.T, s *streams.Store, r streams.Request) multinode.ExecutionKey {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	if _, _, err := s.EnsureRecord(ctx, r); err != nil {
		t.Fatal(err)
	}
	x := r.Key.Execution(multinode.NewID(multinode.ExecutionPrefix))
	if err := s.PutYield(ctx, x, []byte("1")); err != nil {
		t.Fatal(err)
	}
	if err := s.PutLogs(ctx, x, []multinode.LogLine{{Text: "hello"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.PutOutcome(ctx, x, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Apply(ctx, r.Key, multinode.LaunchIntended{Execution: x.ID, At: now},
		multinode.WorkerStarted{Execution: x.ID, Incarnation: "one", At: now},
		multinode.ExecutionEnded{Execution: x.ID, Outcome: multinode.OutcomeSucceeded, At: now})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// stored reads a request back as it was stored.
func stored(t *testing.T, s *streams.Store, r streams.Request) streams.Request {
	t.Helper()
	r, err := s.Request(t.Context(), accept(t, s, r).Key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func expectGone(t *testing.T, s *streams.Store, x multinode.ExecutionKey) {
	t.Helper()
	ctx := t.Context()
	_, _, record := s.Record(ctx, x.Invocation)
	_, request := s.Request(ctx, x.Invocation)
	_, _, yield := s.LatestYield(ctx, x)
	_, _, outcome := s.Outcome(ctx, x)
	for what, err := range map[string]error{"record": record, "request": request, "yield": yield, "outcome": outcome} {
		if !errors.Is(err, streams.ErrNotFound) {
			t.Errorf("the %s is still there: %v", what, err)
		}
	}
	if lines, _, err := s.Logs(ctx, x, "", 10); err != nil || len(lines) > 0 {
		t.Errorf("the log is still there: %v, %v", lines, err)
	}
}

func TestForgettingLeavesNothing(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	waiting := stored(t, s, request(p, "fn"))
	if _, _, err := s.EnsureRecord(t.Context(), waiting); err != nil {
		t.Fatal(err)
	}
	x := finished(t, s, stored(t, s, request(p, "fn")))
	if held, err := s.Held(t.Context()); err != nil || held == 0 {
		t.Errorf("it holds %d bytes, %v", held, err)
	}
	for range 2 { // it may be repeated
		if err := s.Forget(t.Context(), x.Invocation); err != nil {
			t.Fatal(err)
		}
		expectGone(t, s, x)
	}
	if err := s.Forget(t.Context(), waiting.Key); !errors.Is(err, streams.ErrUnfinished) {
		t.Errorf("forgetting what waits: %v", err)
	}
	if _, err := s.Request(t.Context(), waiting.Key); err != nil {
		t.Errorf("the request of what waits: %v", err)
	}
}

func TestForgettingIsFinishedAfterACrash(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := stored(t, s, request(p, "fn"))
	x := finished(t, s, r)
	if err := s.DeleteRequest(t.Context(), r.Key, r.Sequence); err != nil { // and then it was killed
		t.Fatal(err)
	}
	if record, _, err := s.Record(t.Context(), r.Key); err != nil || record.Status != multinode.Succeeded {
		t.Errorf("in between it is %q, %v", record.Status, err)
	}
	if err := s.Forget(t.Context(), r.Key); err != nil {
		t.Fatal(err)
	}
	expectGone(t, s, x)
}

func TestWhatWasForgottenDoesNotRiseAgain(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := stored(t, s, request(p, "fn"))
	x := finished(t, s, r)
	if err := s.Forget(t.Context(), r.Key); err != nil {
		t.Fatal(err)
	}
	// Somebody read the request before it was deleted, and makes the record now.
	if _, _, err := s.EnsureRecord(t.Context(), r); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("a late creation answered %v", err)
	}
	expectGone(t, s, x)
}

func TestAnIDMayBeUsedAgainOnceItsRequestWasForgotten(t *testing.T) {
	for name, forget := range map[string]func(context.Context, *streams.Store, streams.Request) error{
		"the record has gone, too": func(ctx context.Context, s *streams.Store, r streams.Request) error { return s.Forget(ctx, r.Key) },
		"the record is still there": func(ctx context.Context, s *streams.Store, r streams.Request) error {
			return s.DeleteRequest(ctx, r.Key, r.Sequence)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			p, _ := deploy(t, s, "p", spec("fn"))
			old := stored(t, s, request(p, "fn"))
			finished(t, s, old)
			if err := forget(t.Context(), s, old); err != nil {
				t.Fatal(err)
			}
			again := stored(t, s, streams.Request{Key: old.Key, Input: []byte(`[["again"], {}]`)})
			record, _, err := s.EnsureRecord(t.Context(), again)
			if err != nil || record.Status != multinode.Pending || len(record.Executions) > 0 || record.Sequence != again.Sequence {
				t.Fatalf("the new use of the ID is %+v, %v", record, err)
			}
			if _, _, err := s.EnsureRecord(t.Context(), old); !errors.Is(err, streams.ErrNotFound) {
				t.Errorf("the old request answered %v", err)
			}
			if err := s.Forget(t.Context(), old.Key); !errors.Is(err, streams.ErrUnfinished) {
				t.Errorf("the new use was taken for the old one: %v", err)
			}
			if r, err := s.Request(t.Context(), old.Key); err != nil || r.Sequence != again.Sequence {
				t.Errorf("the new request is gone: %v", err)
			}
		})
	}
}

// A marker is all that is left, and it goes by itself. One that is the last
// message of its stream must not be waited for by those who begin anew.
func TestMarkersGoByThemselvesAndNobodyWaitsForThem(t *testing.T) {
	nc, err := embeddedtest.Start(t).Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s, err := streams.Open(t.Context(), nc, streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	p, _ := deploy(t, s, "p", spec("fn"))
	kept := finished(t, s, stored(t, s, request(p, "fn")))
	x := finished(t, s, stored(t, s, request(p, "fn")))
	if err := s.Forget(t.Context(), x.Invocation); err != nil {
		t.Fatal(err)
	}
	last, err := s.RecordsRevision(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	records := recordsStream(t, nc)
	marker, err := records.GetMsg(t.Context(), last)
	if err != nil || marker.Header.Get(jetstream.MsgTTLHeader) != streams.MarkerLife.String() || len(marker.Data) > 0 {
		t.Fatalf("the marker is %+v, %v", marker, err)
	}
	if err := records.Purge(t.Context(), jetstream.WithPurgeSubject(marker.Subject)); err != nil { // its time is over
		t.Fatal(err)
	}
	for _, after := range []uint64{0, last - 1} {
		reached := errors.New("reached")
		seen := map[multinode.InvocationKey]bool{}
		err := s.Changes(t.Context(), after, func(changes []streams.Change) error {
			for _, c := range changes {
				if seen[c.Key] = true; c.Revision == last {
					return reached
				}
			}
			return nil
		})
		if !errors.Is(err, reached) || after == 0 && !seen[kept.Invocation] || seen[x.Invocation] {
			t.Errorf("from %d: %v, %v", after, seen, err)
		}
	}
}

func recordsStream(t *testing.T, nc *nats.Conn) jetstream.Stream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "KV_mn-invocations")
	if err != nil {
		t.Fatal(err)
	}
	return stream
}
