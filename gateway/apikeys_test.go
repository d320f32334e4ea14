package gateway_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/gateway"
	"multinode/streams"
	"multinode/wire"
)

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// makeKey makes a key over REST and returns it with who holds it.
func (s *system) makeKey(d wire.APIKeyDefinition) (wire.CreatedAPIKey, *system) {
	s.t.Helper()
	var made wire.CreatedAPIKey
	s.do(http.MethodPost, "/api-keys", d).is(http.StatusOK, &made)
	return made, s.as(made.Key)
}

func (s *system) revoke(id string) answer {
	s.t.Helper()
	return s.do(http.MethodDelete, "/api-keys/"+id, nil)
}

func TestAKeyFromItsMakingToItsEnd(t *testing.T) {
	s := start(t)
	s.put("/projects/p").is(http.StatusOK, nil)
	made, holder := s.makeKey(wire.APIKeyDefinition{Name: "ci ✓", Role: wire.RoleRead, ProjectName: new("p")})
	if made.Name != "ci ✓" || made.Role != wire.RoleRead || *made.ProjectName != "p" || made.ExpirationTime != nil ||
		made.IsServersOwn || made.CreationTime == 0 || len(made.Key) < 26 {
		t.Errorf("made %+v", made)
	}
	holder.get("/projects/p").is(http.StatusOK, nil)
	var list wire.APIKeysList
	data := s.get("/api-keys").is(http.StatusOK, &list).body
	if len(list.APIKeys) != 2 || list.APIKeys[0] != made.APIKeyInfo && *list.APIKeys[0].ProjectName != "p" || !list.APIKeys[1].IsServersOwn {
		t.Errorf("listed %+v", list)
	}
	if strings.Contains(string(data), made.Key) || strings.Contains(s.logs.String(), made.Key) {
		t.Error("the key itself is in the list or in the log")
	}
	var gone wire.APIKeyInfo
	if s.revoke(made.KeyID).is(http.StatusOK, &gone); gone.KeyID != made.KeyID {
		t.Errorf("revoked %+v", gone)
	}
	holder.get("/projects/p").fails(wire.APIKeyIsInvalid)
	s.revoke(made.KeyID).failsWith(http.StatusNotFound, "does not exist")
	s.revoke("*").failsWith(http.StatusNotFound, "does not exist")
}

func TestKeyDefinitionsAreChecked(t *testing.T) {
	s := start(t)
	check := func(location, kind, body string) {
		t.Helper()
		s.do(http.MethodPost, "/api-keys", body).violates(location, kind)
	}
	check(`["body","name"]`, "value_error.any_str.min_length", `{"name":"","role":"read"}`)
	check(`["body","name"]`, "value_error.any_str.max_length", `{"name":"`+strings.Repeat("ü", 65)+`","role":"read"}`)
	check(`["body","name"]`, "value_error", `{"name":"a\nb","role":"read"}`)
	check(`["body","role"]`, "type_error.enum", `{"name":"a","role":"king"}`)
	check(`["body","role"]`, "value_error.missing", `{"name":"a"}`)
	check(`["body","project_name"]`, "value_error", `{"name":"a","role":"read","project_name":""}`)
	check(`["body","expiration_time"]`, "value_error", `{"name":"a","role":"read","expiration_time":1}`)
	check(`["body","expiration_time"]`, "value_error", `{"name":"a","role":"read","expiration_time":9007199254740000}`)
}

// An administrator of one project is one within it only.
func TestAnAdministratorOfOneProject(t *testing.T) {
	s := start(t)
	everywhere, _ := s.makeKey(wire.APIKeyDefinition{Name: "all", Role: wire.RoleRead})
	elsewhere, _ := s.makeKey(wire.APIKeyDefinition{Name: "q", Role: wire.RoleRead, ProjectName: new("q")})
	_, limited := s.makeKey(wire.APIKeyDefinition{Name: "p", Role: wire.RoleAdmin, ProjectName: new("p")})
	for _, project := range []*string{nil, new("q")} {
		limited.do(http.MethodPost, "/api-keys", wire.APIKeyDefinition{Name: "x", Role: wire.RoleRead, ProjectName: project}).
			failsWith(http.StatusForbidden, `limited to the project "p"`)
	}
	own, _ := limited.makeKey(wire.APIKeyDefinition{Name: "x", Role: wire.RoleAdmin, ProjectName: new("p")})
	limited.revoke(own.KeyID).is(http.StatusOK, nil)
	for _, other := range []wire.CreatedAPIKey{everywhere, elsewhere} {
		limited.revoke(other.KeyID).failsWith(http.StatusNotFound, "does not exist")
	}
}

func TestNobodyIsLockedOut(t *testing.T) {
	s := start(t)
	var list wire.APIKeysList
	s.get("/api-keys").is(http.StatusOK, &list)
	own := list.APIKeys[0]
	first, admin := s.makeKey(wire.APIKeyDefinition{Name: "first", Role: wire.RoleAdmin})
	s.revoke(own.KeyID).failsWith(http.StatusConflict, "start the server with another one in MULTINODE_API_KEY")

	// Without the server's own key the last of the others has to stay.
	s.must(s.store.RevokeKey(t.Context(), own.KeyID))
	soon := time.Now().Add(time.Hour).Unix()
	admin.makeKey(wire.APIKeyDefinition{Name: "for a while", Role: wire.RoleAdmin, ExpirationTime: &soon})
	admin.makeKey(wire.APIKeyDefinition{Name: "of p", Role: wire.RoleAdmin, ProjectName: new("p")})
	admin.makeKey(wire.APIKeyDefinition{Name: "deployer", Role: wire.RoleDeploy})
	admin.revoke(first.KeyID).failsWith(http.StatusConflict, "Make another one first")
	_, second := admin.makeKey(wire.APIKeyDefinition{Name: "second", Role: wire.RoleAdmin})
	admin.revoke(first.KeyID).is(http.StatusOK, nil)
	admin.get("/projects").fails(wire.APIKeyIsInvalid)
	second.get("/projects").is(http.StatusOK, nil)
}

// What one gateway revokes is revoked on all, and what waits there ends.
func TestRevokingEndsWhatWaitsOnEveryGateway(t *testing.T) {
	s := start(t)
	other := startOn(t, s.nats, func(o *gateway.Options) { o.Heartbeat = time.Hour }) // not by looking again
	p, _ := s.deploy("p", spec("f"))
	path, k := s.invoke(p, "f", "1")
	x := s.run(k)
	made, _ := s.makeKey(wire.APIKeyDefinition{Name: "reader", Role: wire.RoleRead})
	reader := other.as(made.Key)
	other.eventually(func() bool { return len(other.store.Keys(t.Context())) == 2 })
	following, logs := reader.events(path+"/events"), reader.events(path+"/executions/"+x.ID+"/logs?follow=true")
	staying := other.events(path + "/events")
	next[wire.InvocationInfo](t, following, wire.EventStatus)
	next[wire.InvocationInfo](t, staying, wire.EventStatus)
	polled := make(chan answer, 1)
	go func() { polled <- reader.get(path + "?wait=60") }()
	other.eventually(func() bool { return other.serves.Waiters() == 4 })

	s.revoke(made.KeyID).is(http.StatusOK, nil)
	closes(t, following)
	closes(t, logs)
	(<-polled).fails(wire.APIKeyIsInvalid)
	reader.get(path).fails(wire.APIKeyIsInvalid)
	// Who has another key is not disturbed.
	s.end(x, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	next[wire.InvocationInfo](t, staying, wire.EventEnd)
}

func TestWhatWaitsEndsWithTheTimeOfItsKey(t *testing.T) {
	server := embeddedtest.Start(t)
	nc, err := server.Connect("clocked")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	var ahead atomic.Int64
	clocked, err := streams.Open(t.Context(), nc, streams.Options{
		Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clocked.Close)
	s := startOn(t, server, func(o *gateway.Options) { o.Store, o.Heartbeat = clocked, 10*time.Millisecond })
	p, _ := s.deploy("p", spec("f"))
	path, k := s.invoke(p, "f", "1")
	x := s.run(k)
	at := time.Now().Add(time.Hour).Unix()
	_, reader := s.makeKey(wire.APIKeyDefinition{Name: "an hour", Role: wire.RoleRead, ExpirationTime: &at})
	worker := s.as(s.store.WorkerKey(x))
	byReader, byWorker := reader.events(path+"/events"), worker.events(path+"/events")
	ahead.Store(int64(2 * time.Hour))
	closes(t, byReader)
	reader.get(path).fails(wire.APIKeyIsInvalid)

	// A worker's waiting ends with its execution, though the invocation goes on.
	worker.get(path).is(http.StatusOK, nil)
	s.end(x, multinode.Outcome{Kind: multinode.OutcomeFailed, Error: "no"})
	closes(t, byWorker)
	worker.get(path).fails(wire.APIKeyIsInvalid)
}
