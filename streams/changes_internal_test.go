package streams

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// TestWhatALaggingServerHasYetToDeliverIsNotSkipped: a consumer on a server that
// lags behind the leader says that it has nothing more, too early.
func TestWhatALaggingServerHasYetToDeliverIsNotSkipped(t *testing.T) {
	s := openInternal(t)
	for _, id := range []string{"one", "two", "three"} {
		k := multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: id}
		_, _, err := s.Apply(t.Context(), k, multinode.Accepted{Key: k, At: time.Now()})
		check(t, err)
	}
	var delivered []Change
	r := &changesReader{store: s, reached: 1, target: 3, deliver: func(changes []Change) error {
		delivered = append(delivered, changes...)
		return nil
	}}
	r.hear()
	check(t, r.opened(t.Context(), 0))
	if len(delivered) > 0 || r.reached != 1 {
		t.Fatalf("changes that are yet to come were skipped: %+v", delivered)
	}
	// Once they are gone, nobody waits for them.
	for _, id := range []string{"two", "three"} {
		check(t, s.recordsStream.Purge(t.Context(), jetstream.WithPurgeSubject(kvSubject(invocationsBucket, "p.g.f."+id))))
	}
	check(t, r.pulled(t.Context()))
	if len(delivered) != 1 || delivered[0].Revision != 3 || r.reached != 3 {
		t.Errorf("delivered are %+v", delivered)
	}
	r.reached = 4 // of a stream that was longer
	if err := r.opened(t.Context(), 0); !errors.Is(err, ErrResync) {
		t.Errorf("with a stream that was replaced it answered %v", err)
	}
}

func TestTheRegistryForgetsWhatWasDeletedLongAgo(t *testing.T) {
	s := openInternal(t)
	r := s.registry
	for i, age := range []time.Duration{2 * graveLife, 0} {
		name := []string{"old", "young"}[i]
		p, err := s.CreateProject(t.Context(), name)
		check(t, err)
		check(t, s.removeProject(t.Context(), p))
		r.mu.Lock()
		for j := range r.graves {
			r.graves[j].dug = r.graves[j].dug.Add(-age)
		}
		r.mu.Unlock()
	}
	r.mu.RLock()
	_, old := r.entries[projectKey("old")]
	_, young := r.entries[projectKey("young")]
	r.mu.RUnlock()
	if old || !young {
		t.Errorf("the one deleted long ago is known: %v, the other: %v", old, young)
	}
	// The server forgets, too.
	m, err := r.stream.GetLastMsgForSubject(t.Context(), kvSubject(registryBucket, projectKey("young")))
	check(t, err)
	if m.Header.Get(jetstream.MsgTTLHeader) != MarkerLife.String() {
		t.Errorf("the marker lives for ever: %v", m.Header)
	}
}
