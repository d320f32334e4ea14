package streams_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// A consumer may be lost, as with the server that kept it in memory. Who follows
// goes on where it was.
func TestFollowingSurvivesItsConsumer(t *testing.T) {
	server := embeddedtest.Start(t)
	nc, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s, err := streams.Open(t.Context(), nc, streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	k := multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-1"}
	batches, err := s.FollowLogs(t.Context(), k, "")
	if err != nil {
		t.Fatal(err)
	}
	const total = 600 // more than are asked for at a time
	for i := range total {
		if i%250 == 100 {
			stream, err := js.Stream(t.Context(), "mn-logs")
			if err != nil {
				t.Fatal(err)
			}
			for name := range stream.ConsumerNames(t.Context()).Name() {
				if err := stream.DeleteConsumer(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := s.PutLogs(t.Context(), k.Execution("exe-1"), []multinode.LogLine{{Text: strconv.Itoa(i)}}); err != nil {
			t.Fatal(err)
		}
		select {
		case b := <-batches:
			if len(b.Lines) != 1 || b.Lines[0].Text != strconv.Itoa(i) {
				t.Fatalf("line %d is %v", i, b.Lines)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("line %d did not come", i)
		}
	}
}

// Early versions let clients read workers' messages directly.
func TestOpenEndsDirectReadsOfWorkersMessages(t *testing.T) {
	server := embeddedtest.Start(t)
	nc, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s, err := streams.Open(t.Context(), nc, streams.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		for _, name := range []string{"KV_mn-yields", "KV_mn-outcomes", "mn-logs"} {
			stream, err := js.Stream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			config := stream.CachedInfo().Config
			if config.AllowDirect {
				t.Errorf("%s can be read directly", name)
			}
			config.AllowDirect = true // as an early version made it
			if _, err := js.UpdateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
		}
	}
}
