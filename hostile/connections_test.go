package hostile_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/streams"
)

// NATS knows no limit of connections for one user: a worker can open all that
// workers may have. Nobody else is shut out, those who are connected stay, and once
// the worker is given up there is room for others again.
func TestAllConnectionsOfTheWorkersAreNotTheControlPlanes(t *testing.T) {
	w := newWorld(t)
	closed := make(chan struct{}, 2*workerConnections)
	opened := 0
	for range 2 * workerConnections {
		nc, err := nats.Connect(w.nats.URL(), nats.UserCredentialBytes(w.mine.intent.Credentials), nats.NoReconnect(),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
			nats.ClosedHandler(func(*nats.Conn) { closed <- struct{}{} }))
		if err != nil {
			break
		}
		t.Cleanup(nc.Close)
		opened++
	}
	if opened == 0 || opened >= workerConnections {
		t.Fatalf("one worker has opened %d connections", opened)
	}
	// The control plane does not notice.
	ours, err := w.nats.Connect("another")
	w.must(err)
	defer ours.Close()
	_, err = streams.Open(t.Context(), ours, streams.Options{LogBytes: logBytes})
	w.must(err)
	answer, err := http.Get(w.api + "/")
	w.must(err)
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the API answers %d", answer.StatusCode)
	}
	// Nor does a worker that is connected.
	w.must(w.victim.link.PutYield(t.Context(), []byte(`"still here"`)))
	_, err = w.victim.link.Beat(t.Context(), multinode.Beat{})
	w.must(err)

	_, _, err = w.store.PutOutcome(t.Context(), w.mine.ExecutionKey, multinode.Outcome{Kind: multinode.OutcomeLost, Error: "a verdict"})
	w.must(err)
	for range opened {
		select {
		case <-closed:
		case <-time.After(patience):
			t.Fatal("a worker that was given up keeps its connections")
		}
	}
	retry := w.launched() // a worker that comes now is let in
	w.must(retry.link.PutLogs(t.Context(), []multinode.LogLine{{Stream: "stdout", Text: "hi"}}))
}
