package hostile_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
)

// A worker that was given up is cut off: its connections end, its credentials
// open no other, and it can write nothing any more.
func TestAFencedWorkerIsCutOff(t *testing.T) {
	w := newWorld(t)
	closed := make(chan struct{})
	a := w.attack(w.mine, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	sibling := w.launch(multinode.Project{Name: "mine", Generation: w.mine.Invocation.Generation}, "1")
	stays := w.attack(sibling, nats.NoReconnect())

	// As a dispatcher does that has not heard of it for too long. Whichever
	// dispatcher settles it has it cut off.
	_, _, err := w.store.PutOutcome(t.Context(), w.mine.ExecutionKey, multinode.Outcome{Kind: multinode.OutcomeLost, Error: "a verdict"})
	w.must(err)
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the connection of a worker that was given up goes on")
	}
	if err := a.Publish(w.mine.own()["yields"], nil); err == nil {
		t.Error("it still publishes")
	}
	if c, err := nats.Connect(w.nats.URL(), nats.UserCredentialBytes(w.mine.intent.Credentials)); err == nil {
		c.Close()
		t.Error("its credentials open another connection")
	}
	// Credentials that were minted again are the same worker's.
	again, err := w.nats.MintWorker(w.mine.ID, w.mine.intent.ExecutionKey, time.Now().Add(time.Minute))
	w.must(err)
	if c, err := nats.Connect(w.nats.URL(), nats.UserCredentialBytes(again)); err == nil {
		c.Close()
		t.Error("new credentials of the same execution open a connection")
	}
	// The others are not disturbed, nor is the retry.
	w.must(w.victim.link.PutYield(t.Context(), []byte("1")))
	w.must(w.launched().link.PutYield(t.Context(), []byte("1")))
	if stored, _ := stays.put(&nats.Msg{Subject: sibling.own()["yields"], Data: []byte("1")}); !stored || !stays.IsConnected() {
		t.Error("a sibling's connection has ended too")
	}
}

// Who ends by its own outcome is not cut off: its credentials expire.
func TestAnHonestWorkerIsNotRevoked(t *testing.T) {
	w := newWorld(t)
	_, err := w.victim.link.PutOutcome(t.Context(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	w.must(err)
	w.until(w.victim.ExecutionKey, "SUCCEEDED", func(i multinode.Invocation) bool { return i.Status == multinode.Succeeded })
	if revoked := w.store.RevokedWorkers(); len(revoked) != 0 {
		t.Errorf("revoked are %v", revoked)
	}
}
