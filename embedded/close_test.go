package embedded_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"

	"multinode/embedded"
	"multinode/embedded/embeddedtest"
)

func TestCloseEndsItsConnections(t *testing.T) {
	s := embeddedtest.Start(t)
	conn, _ := connect(t, s)
	embeddedtest.Close(t, s)
	if !conn.IsClosed() {
		t.Error("a connection of Connect is open")
	}
	if _, err := s.Connect("late"); err == nil {
		t.Error("Connect works after Close")
	}
	embeddedtest.Close(t, s) // again
}

func TestCloseKeepsToItsContext(t *testing.T) {
	s := embeddedtest.Start(t)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Close(ended); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("close with an ended context: %v", err)
	}
	embeddedtest.Close(t, s) // it went on by itself
}

func TestStartKeepsToItsContext(t *testing.T) {
	o := embeddedtest.Options(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := embedded.Start(ended, o)
	if err == nil {
		embeddedtest.Close(t, s)
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("start with an ended context: %v", err)
	}
	// The folder is let go of, in time.
	lock := flock.New(filepath.Join(o.DataDir, "lock"))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
}

func TestConnectOptionsGoOverTheNetwork(t *testing.T) {
	s := embeddedtest.Start(t)
	url, options := s.ConnectOptions()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := conn.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(); err != nil {
		t.Error(err)
	}
}
