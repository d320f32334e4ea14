package streams_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// wire carries bytes between a client and the server. While it is held, what the
// client says arrives and what the server answers does not.
type wire struct {
	mu   sync.Mutex
	held chan struct{}
}

func (w *wire) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = make(chan struct{})
}

func (w *wire) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.held)
	w.held = nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	held := w.held
	w.mu.Unlock()
	if held != nil {
		<-held
	}
	return len(p), nil
}

// through listens for one client and returns the address.
func (w *wire) through(t *testing.T, server string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		upstream, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer upstream.Close()
		go func() { _, _ = io.Copy(upstream, client) }()
		_, _ = io.Copy(client, io.TeeReader(upstream, w))
	}()
	return "nats://" + listener.Addr().String()
}

// openOverWire is openStore with a connection whose answers can be held back, and
// a second store whose cannot.
func openOverWire(t *testing.T) (held, free *streams.Store, w *wire) {
	t.Helper()
	server := embeddedtest.Start(t)
	at, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := server.ClientCredentials("test", time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "creds")
	if err := os.WriteFile(path, credentials, 0o600); err != nil {
		t.Fatal(err)
	}
	w = &wire{}
	slow, err := nats.Connect(w.through(t, at.Host), nats.UserCredentials(path), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(slow.Close)
	direct, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(direct.Close)
	open := func(nc *nats.Conn) *streams.Store {
		s, err := streams.Open(t.Context(), nc, streams.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	return open(slow), open(direct), w
}

// TestAWriteWithoutAnAnswerIsReadAgain: a compare and set whose answer got lost
// may have been stored. It is neither taken for a failure nor done twice.
func TestAWriteWithoutAnAnswerIsReadAgain(t *testing.T) {
	s, free, w := openOverWire(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := accept(t, s, request(p, "fn"))
	unanswered := func(write func(ctx context.Context) error) {
		t.Helper()
		before, err := free.RecordsRevision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, giveUp := context.WithCancel(t.Context())
		defer giveUp()
		w.hold()
		defer w.release()
		done := make(chan error, 1)
		go func() { done <- write(ctx) }()
		for at := before; at == before; { // until it is stored
			if at, err = free.RecordsRevision(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		giveUp()
		if err := <-done; err == nil || errors.Is(err, multinode.ErrNoChange) {
			t.Fatalf("without an answer it returned %v", err)
		}
	}
	unanswered(func(ctx context.Context) error {
		_, _, err := s.EnsureRecord(ctx, r)
		return err
	})
	created, revision, err := s.EnsureRecord(t.Context(), r)
	if err != nil || created.Status != multinode.Pending {
		t.Fatalf("made again: %+v, %v", created, err)
	}
	unanswered(func(ctx context.Context) error {
		_, _, err := s.ApplyTo(ctx, r.Key, &created, revision, multinode.LaunchIntended{Execution: "exe-1", At: r.Time})
		return err
	})
	// The writer knows only the record from before.
	record, _, err := s.ApplyTo(t.Context(), r.Key, &created, revision, multinode.LaunchIntended{Execution: "exe-2", At: r.Time})
	if !errors.Is(err, multinode.ErrLive) {
		t.Errorf("a second execution was answered with %v", err)
	}
	if live, _ := record.Live(); live.ID != "exe-1" || len(record.Executions) != 1 {
		t.Errorf("the record is %+v", record)
	}
}
