package streams_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// openRaw is openStore with JetStream beside it, to do what the store would not.
func openRaw(t *testing.T, o streams.Options) (*streams.Store, jetstream.JetStream) {
	t.Helper()
	nc, err := embeddedtest.Start(t).Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s, err := streams.Open(t.Context(), nc, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return s, js
}

// changeRequests changes the one stream of requests.
func changeRequests(t *testing.T, js jetstream.JetStream, p multinode.Project, change func(*jetstream.StreamConfig)) {
	t.Helper()
	for name := range js.StreamNames(t.Context()).Name() {
		if !strings.Contains(name, p.Generation) {
			continue
		}
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		config := stream.CachedInfo().Config
		change(&config)
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnIDIsStillTakenAfterTheWindowInWhichJetStreamRemembersMessages(t *testing.T) {
	s, js := openRaw(t, streams.Options{})
	p, _ := deploy(t, s, "p", spec("fn"))
	changeRequests(t, js, p, func(c *jetstream.StreamConfig) { c.Duplicates = 100 * time.Millisecond })
	r := request(p, "fn")
	m := nats.NewMsg("mn.invoke.p.fn." + r.Key.ID)
	m.Data = r.Input
	m.Header.Set(jetstream.MsgIDHeader, "one")
	if _, err := js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	for { // until the server has forgotten the message's ID
		ack, err := js.PublishMsg(t.Context(), m)
		if err != nil {
			break
		}
		if !ack.Duplicate {
			t.Fatalf("the request was stored twice, as %d", ack.Sequence)
		}
	}
	if _, err := s.Accept(t.Context(), r); !errors.Is(err, streams.ErrDuplicate) {
		t.Errorf("the second acceptance returned %v", err)
	}
}

func TestAFullStreamIsToldFromATakenID(t *testing.T) {
	s, js := openRaw(t, streams.Options{})
	p, _ := deploy(t, s, "p", spec("fn"))
	first := accept(t, s, request(p, "fn"))
	changeRequests(t, js, p, func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 })
	if _, err := s.Accept(t.Context(), request(p, "fn")); !errors.Is(err, streams.ErrFull) || errors.Is(err, streams.ErrDuplicate) {
		t.Errorf("a full stream answered %v", err)
	}
	changeRequests(t, js, p, func(c *jetstream.StreamConfig) { c.MaxMsgs = -1 })
	if _, err := s.Accept(t.Context(), first); !errors.Is(err, streams.ErrDuplicate) || errors.Is(err, streams.ErrFull) {
		t.Errorf("a taken ID was answered with %v", err)
	}
}
