package streams_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// big is a request whose input takes so many bytes.
func big(p multinode.Project, size int) streams.Request {
	r := request(p, "fn")
	r.Input = []byte(`[["` + strings.Repeat("x", size) + `"], {}]`)
	return r
}

// openOn opens the store of a server as `up` does.
func openOn(t *testing.T, server *embedded.Server) (*streams.Store, *nats.Conn) {
	t.Helper()
	nc, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s, err := streams.Open(t.Context(), nc, streams.Options{LogBytes: 1 << 20, Room: server.Room})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, nc
}

// acceptUntilFull returns what was accepted before the store said no.
func acceptUntilFull(t *testing.T, s *streams.Store, p multinode.Project, size int) (accepted []streams.Request) {
	t.Helper()
	for {
		r := big(p, size)
		sequence, err := s.Accept(t.Context(), r)
		if errors.Is(err, streams.ErrFull) {
			return accepted
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Sequence, r.Time = sequence, time.Now()
		accepted = append(accepted, r)
	}
}

// acceptsAgain waits until a request is accepted, which has to happen by itself.
func acceptsAgain(t *testing.T, s *streams.Store, r streams.Request) {
	t.Helper()
	for {
		if _, err := s.Accept(t.Context(), r); err == nil {
			return
		} else if !errors.Is(err, streams.ErrFull) {
			t.Fatal(err)
		}
		if !pause(t.Context()) {
			t.Fatal("it is still refused")
		}
	}
}

// pause lets the store look how full it is.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(50 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

func TestAFullStoreStillSettlesAndAcceptsAgainOnceThereIsRoom(t *testing.T) {
	o := embeddedtest.Options(t)
	o.MaxStore = 16 << 20
	s, _ := openOn(t, embeddedtest.StartWith(t, o))
	p, _ := deploy(t, s, "p", spec("fn"))
	accepted := acceptUntilFull(t, s, p, 256<<10)
	accepted = append(accepted, acceptUntilFull(t, s, p, 1<<10)...) // to the last that fits
	for _, r := range accepted {                                    // all of them can be brought to their end
		finished(t, s, r)
	}
	if _, err := s.Accept(t.Context(), big(p, 256<<10)); !errors.Is(err, streams.ErrFull) {
		t.Fatalf("a full store answered %v", err)
	}
	for _, r := range accepted {
		if err := s.Forget(t.Context(), r.Key); err != nil {
			t.Fatal(err)
		}
	}
	acceptsAgain(t, s, big(p, 256<<10))
}

func TestADiskThatOthersFillStillSettlesAndAcceptsAgainOnceThereIsRoom(t *testing.T) {
	disk := smallDisk(t)
	o := embeddedtest.Options(t)
	o.DataDir, o.MaxStore, o.SyncAlways = filepath.Join(disk, "data"), 1<<30, true
	server := embeddedtest.StartWith(t, o)
	s, _ := openOn(t, server)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := accept(t, s, request(p, "fn"))
	fill := filepath.Join(disk, "fill")
	room, err := server.Room()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fill, make([]byte, room+64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for { // until the store has looked
		if _, err := s.Accept(t.Context(), request(p, "fn")); errors.Is(err, streams.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if !pause(ctx) {
			t.Fatal("a full disk is not noticed")
		}
	}
	finished(t, s, r)
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	acceptsAgain(t, s, request(p, "fn"))
}

// NATS itself does not get over a write that the disk refused: its streams take
// nothing until it is started again. What was accepted is there then.
func TestNothingAcceptedIsLostToAFullDisk(t *testing.T) {
	disk := smallDisk(t)
	o := embeddedtest.Options(t)
	o.DataDir, o.MaxStore, o.SyncAlways = filepath.Join(disk, "data"), 1<<30, true
	server := embeddedtest.StartWith(t, o)
	nc, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := streams.Open(t.Context(), nc, streams.Options{LogBytes: 1 << 20}) // which looks at no disk
	if err != nil {
		t.Fatal(err)
	}
	p, _ := deploy(t, s, "p", spec("fn"))
	var accepted []streams.Request
	for err == nil {
		r := big(p, 1<<20)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if r.Sequence, err = s.Accept(ctx, r); err == nil {
			accepted = append(accepted, r)
		}
		cancel()
	}
	if !errors.Is(err, streams.ErrUnavailable) || len(accepted) == 0 {
		t.Fatalf("after %d a full disk answered %v", len(accepted), err)
	}
	s.Close()
	nc.Close()
	embeddedtest.Close(t, server)
	if err := growDisk(disk); err != nil { // the operator makes room
		t.Fatal(err)
	}
	s, _ = openOn(t, embeddedtest.StartWith(t, o))
	for _, r := range accepted {
		if got, err := s.Request(t.Context(), r.Key); err != nil || len(got.Input) != len(r.Input) {
			t.Errorf("request %d: %v", r.Sequence, err)
		}
		if _, _, err := s.Record(t.Context(), r.Key); err != nil {
			t.Errorf("record %d: %v", r.Sequence, err)
		}
	}
	acceptsAgain(t, s, request(p, "fn"))
}
