package streams_test

import (
	"context"
	"testing"
	"time"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// slowHandler takes until it is told to answer hellos.
type slowHandler struct {
	began  chan string
	answer chan struct{}
}

func (h slowHandler) Hello(ctx context.Context, k multinode.ExecutionKey, _ string) (*multinode.Assignment, bool) {
	h.began <- k.ID
	select {
	case <-h.answer:
	case <-ctx.Done():
	}
	return nil, true
}

func (slowHandler) Beat(multinode.ExecutionKey, multinode.Beat) (multinode.Desired, bool) {
	return "", false
}

// A worker that floods the dispatchers with hellos keeps them from nothing else.
func TestAFloodOfHellosIsBounded(t *testing.T) {
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
	h := slowHandler{began: make(chan string, 2000), answer: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServeWorkers(ctx, h) }()
	say := func(execution string) {
		t.Helper()
		if err := nc.Publish("mn.worker.hello."+execution, []byte(`{"incarnation":"x"}`)); err != nil {
			t.Fatal(err)
		}
	}
	next := func() string {
		t.Helper()
		select {
		case id := <-h.began:
			return id
		case <-time.After(20 * time.Second):
			t.Fatal("a hello is not answered")
			return ""
		}
	}
	for say("exe-0"); len(h.began) == 0; say("exe-0") { // until it listens
		time.Sleep(time.Millisecond)
	}
	for range 1000 {
		say("exe-0")
	}
	say("exe-1") // one connection's messages are handled in their order
	flooded := 0
	for next() == "exe-0" {
		flooded++
	}
	if flooded == 0 || flooded > 4 {
		t.Errorf("%d hellos of one worker are answered at the same time", flooded)
	}
	close(h.answer)
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
