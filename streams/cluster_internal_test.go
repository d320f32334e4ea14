package streams

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded/embeddedtest"
)

// storeWith opens a store and then claims that many replicas, of which the one
// server makes none.
func storeWith(t *testing.T, replicas int) (*Store, *nats.Conn) {
	t.Helper()
	nc, err := embeddedtest.Start(t).Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s, err := Open(t.Context(), nc, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.options.Replicas = replicas
	return s, nc
}

// A replica may lag behind: that something does not exist is the leader's to say.
func TestTheLeaderIsAskedForWhatAReplicaDoesNotHave(t *testing.T) {
	s, nc := storeWith(t, 3)
	subject := kvSubject(outcomesBucket, "p.g.f.i.e")
	message := nats.NewMsg(subject)
	message.Data = []byte("stored")
	message.Header.Set("Kind", "SUCCEEDED")
	if _, err := s.js.PublishMsg(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	m, err := s.surely(t.Context(), "KV_"+outcomesBucket, subject, nil, ErrNotFound)
	if err != nil || string(m.Data) != "stored" || m.Header.Get("Kind") != "SUCCEEDED" || m.Sequence != 1 || time.Since(m.Time) > time.Hour {
		t.Errorf("the leader says %+v, %v", m, err)
	}
	if _, err := s.surely(t.Context(), "KV_"+outcomesBucket, subject+"x", nil, ErrNotFound); !errors.Is(err, ErrNotFound) {
		t.Errorf("what nobody has: %v", err)
	}
	if _, err := s.surely(t.Context(), "none", "none", nil, ErrNotFound); !errors.Is(err, ErrNotFound) {
		t.Errorf("a stream that nobody has: %v", err)
	}

	// Both readers that must not be wrong go that way.
	asked, err := nc.SubscribeSync("$JS.API.STREAM.MSG.GET.>")
	if err != nil {
		t.Fatal(err)
	}
	key := multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-1"}
	for _, read := range []func() error{
		func() error { _, err := s.Request(t.Context(), key); return err },
		func() error {
			_, _, err := s.Outcome(t.Context(), multinode.ExecutionKey{Invocation: key, ID: "exe-1"})
			return err
		},
	} {
		if err := read(); !errors.Is(err, ErrNotFound) {
			t.Errorf("what does not exist: %v", err)
		}
		if _, err := asked.NextMsg(10 * time.Second); err != nil {
			t.Errorf("the leader was not asked: %v", err)
		}
	}
}

// A leader that dies takes along what it was asked for, and nobody says so.
func TestANewLeaderIsAskedForRequests(t *testing.T) {
	s, nc := storeWith(t, 1)
	i := s.NewIntake(func(*Delivery) {})
	i.pulls["s"] = &pull{function: multinode.Function{Name: "fn"}, stream: "s"}
	asked, err := nc.SubscribeSync("$JS.API.CONSUMER.MSG.NEXT.s." + consumerName)
	if err != nil {
		t.Fatal(err)
	}
	elected, err := i.followElections()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = elected.Unsubscribe() })
	for range 2 {
		i.refill()
		if _, err := asked.NextMsg(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		i.refill() // nothing new
		if err := nc.Publish(elections+"s."+consumerName, nil); err != nil {
			t.Fatal(err)
		}
		for i.outstanding("s") { // until the news has been heard
			time.Sleep(time.Millisecond)
		}
	}
	if n, _, _ := asked.Pending(); n != 0 {
		t.Errorf("%d pulls too many", n)
	}
}

func (i *Intake) outstanding(stream string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.pulls[stream].remaining > 0
}

func TestWhatServersAreNotGoodEnough(t *testing.T) {
	nc, err := embeddedtest.Start(t).Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if _, err := Open(t.Context(), nc, Options{Replicas: 3, Logger: slog.New(slog.DiscardHandler)}); err == nil || errors.Is(err, ErrUnavailable) {
		t.Errorf("three replicas on one server: %v", err)
	}
	for _, c := range []struct{ from, want error }{
		{&jetstream.APIError{ErrorCode: codeNoPeers}, ErrNoPeers},
		{classify("", &jetstream.APIError{ErrorCode: codeClusterNotAvailable}), ErrUnavailable},
		{classify("", &jetstream.APIError{ErrorCode: codeStreamOffline}), ErrUnavailable},
		{jetstream.ErrJetStreamNotEnabled, ErrUnavailable},
		{jetstream.ErrJetStreamNotEnabledForAccount, ErrNoAccount},
		{context.Canceled, context.Canceled},
	} {
		if err := explainServer(c.from); !errors.Is(err, c.want) {
			t.Errorf("%v became %v", c.from, err)
		}
	}
}
