package streams_test

import (
	"errors"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

func TestAWorkersKeyDiesWithItsExecution(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := accept(t, s, request(p, "fn"))
	if _, _, err := s.Record(t.Context(), r.Key); err != nil {
		t.Fatal(err)
	}
	k := r.Key.Execution("exe-1")
	apply := func(e multinode.Event) {
		t.Helper()
		if _, _, err := s.Apply(t.Context(), r.Key, e); err != nil {
			t.Fatal(err)
		}
	}
	apply(multinode.LaunchIntended{Execution: k.ID, At: time.Now()})
	key := s.WorkerKey(k)
	grant, err := s.Authenticate(t.Context(), key)
	if err != nil || grant.Project != "p" || grant.Role != streams.RoleInvoke || *grant.Execution != k {
		t.Errorf("the key of a live execution grants %+v, %v", grant, err)
	}
	if _, err := s.Authenticate(t.Context(), key+"x"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("a forged key: %v", err)
	}
	apply(multinode.ExecutionEnded{Execution: k.ID, Outcome: multinode.OutcomeFailed, At: time.Now()})
	if _, err := s.Authenticate(t.Context(), key); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the key of an ended execution: %v", err)
	}
}

func TestAReplacedKeyOpensNothing(t *testing.T) {
	s := openStore(t)
	for _, key := range []string{"old", "new"} {
		if err := s.PutKey(t.Context(), key, "up", streams.RoleAdmin, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DropKeys(t.Context(), "up", "new"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), "old"); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the old key: %v", err)
	}
	if grant, err := s.Authenticate(t.Context(), "new"); err != nil || grant.Role != streams.RoleAdmin {
		t.Errorf("the new key: %+v, %v", grant, err)
	}
}

func TestACreatedKeyIsNeverTheSystems(t *testing.T) {
	s := openStore(t)
	made, secret, err := s.CreateKey(t.Context(), streams.APIKey{Name: "up", Role: streams.RoleRead, Project: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.PutKey(t.Context(), "own", "up", streams.RoleAdmin, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.DropKeys(t.Context(), "up", "own"); err != nil { // its name is nobody's business
		t.Fatal(err)
	}
	grant, err := s.Authenticate(t.Context(), secret)
	if err != nil || grant.Role != streams.RoleRead || grant.Project != "p" || grant.KeyID != made.ID {
		t.Errorf("the created key: %+v, %v", grant, err)
	}
	if err := s.RevokeKey(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if stands, err := s.Stands(t.Context(), grant); stands || err != nil {
		t.Errorf("a revoked key stands: %t, %v", stands, err)
	}
	if keys := s.Keys(t.Context()); len(keys) != 1 || !keys[0].System || keys[0].Name != "up" {
		t.Errorf("the keys are %+v", keys)
	}
}
