package embedded_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/embedded"
	"multinode/embedded/embeddedtest"
)

func refuses(t *testing.T, s *embedded.Server, creds []byte) bool {
	t.Helper()
	conn, err := nats.Connect(s.URL(), nats.UserCredentialBytes(creds), nats.NoReconnect(), nats.Timeout(patience),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err == nil {
		conn.Close()
	} else if !errors.Is(err, nats.ErrAuthorization) {
		t.Fatal(err)
	}
	return err != nil
}

func TestRevokedWorkersAreCutOff(t *testing.T) {
	o := embeddedtest.Options(t)
	s := embeddedtest.StartWith(t, o)
	id, key := newExecution()
	other, otherKey := newExecution()
	creds, stays := mintWorker(t, s, id, key, later()), mintWorker(t, s, other, otherKey, later())
	closed := make(chan struct{})
	dialWorker(t, s, id, key, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	app, js := connect(t, s)
	makeStreams(t, js)
	untouched := dialWorker(t, s, other, otherKey, nats.NoReconnect())
	told, err := untouched.SubscribeSync("mn.worker.tell." + other)
	if err != nil {
		t.Fatal(err)
	}
	revoke := func(s *embedded.Server, executions ...string) {
		t.Helper()
		set := map[string]time.Time{}
		for _, each := range executions {
			set[each] = time.Now().Add(2 * time.Hour)
		}
		if err := s.RevokeWorkers(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	revoke(s, id)
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the connection of a revoked worker goes on")
	}
	if !refuses(t, s, creds) || refuses(t, s, stays) {
		t.Error("the wrong one is refused")
	}
	// What the others do goes through as before.
	if !untouched.putText(t, "$KV.mn-yields."+otherKey, "1") {
		t.Error("a yield of another worker was refused")
	}
	if err := app.Publish("mn.worker.tell."+other, []byte("cancel")); err != nil {
		t.Fatal(err)
	}
	if m, err := told.NextMsg(patience); err != nil || string(m.Data) != "cancel" {
		t.Errorf("another worker is told %v, %v", m, err)
	}
	// It has to be said again after a restart.
	embeddedtest.Close(t, s)
	s = embeddedtest.StartWith(t, o)
	revoke(s, id)
	if !refuses(t, s, creds) || refuses(t, s, stays) {
		t.Error("after a restart the wrong one is refused")
	}
	revoke(s)
	if refuses(t, s, creds) {
		t.Error("what is revoked no longer is refused")
	}
}

// BenchmarkRevoke is one revocation while so many workers are connected.
func BenchmarkRevoke(b *testing.B) {
	for _, workers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			s := embeddedtest.Start(b)
			for range workers {
				id, key := newExecution()
				w := dialWorker(b, s, id, key)
				if _, err := w.Subscribe("mn.worker.tell."+id, func(*nats.Msg) {}); err != nil {
					b.Fatal(err)
				}
				if err := w.Flush(); err != nil {
					b.Fatal(err)
				}
			}
			until, n := time.Now().Add(time.Hour), 0
			for b.Loop() {
				n++ // another one each time, the earlier ones expired
				if err := s.RevokeWorkers(b.Context(), map[string]time.Time{fmt.Sprint("exe-", n): until}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
