package gateway_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"multinode"
	builds "multinode/images/order"
	"multinode/streams"
)

// A ticket is good for one attempt and for who came with it first.
func TestABuildsTicket(t *testing.T) {
	s := start(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := s.store.CreateProject(t.Context(), "p")
	must(err)
	code := fmt.Sprintf("%x", sha256.Sum256([]byte("code")))
	v := multinode.Version{ID: "ver-1", Project: p.Name, Generation: p.Generation, State: multinode.VersionPreparing, Bundle: code}
	_, err = s.store.PutBundle(t.Context(), code, strings.NewReader("code"))
	must(err)
	must(s.store.CreateVersion(t.Context(), v, map[string]string{"SECRET": "value"}))
	k := streams.BuildKeyOf(v)
	ticket := func(attempt string) string {
		text, err := builds.Ticket{
			Project: k.Project, Generation: k.Generation, Version: k.Version, Attempt: attempt, Expires: time.Now().Add(time.Hour),
		}.Sign(s.store.BuildSecret())
		must(err)
		return text
	}
	client := func(attempt string) *builds.Client {
		c, err := builds.NewClient(s.url+"/build/", ticket(attempt), "")
		must(err)
		return c
	}
	begin := func(attempt string) {
		content, err := json.Marshal(builds.Order{Base: "base-of-" + attempt})
		must(err)
		must(s.store.BeginBuild(t.Context(), k, attempt, time.Now().Add(time.Hour), content))
	}
	if _, err := client("build-1").Order(t.Context()); !errors.Is(err, builds.ErrOver) {
		t.Errorf("before the build was ordered: %v", err)
	}
	begin("build-1")
	first, second := client("build-1"), client("build-1")
	if err := second.Report(t.Context(), builds.Report{Failure: "too soon"}); !errors.Is(err, builds.ErrTicket) {
		t.Errorf("a report of who has no order: %v", err)
	}
	for range 2 { // an answer may get lost
		what, err := first.Order(t.Context())
		if err != nil || what.Base != "base-of-build-1" || what.Environment["SECRET"] != "value" {
			t.Errorf("%+v, %v", what, err)
		}
	}
	if _, err := second.Order(t.Context()); !errors.Is(err, builds.ErrTicket) {
		t.Errorf("the order for another who has the ticket: %v", err)
	}
	if err := second.Report(t.Context(), builds.Report{Failure: "by me"}); !errors.Is(err, builds.ErrTicket) {
		t.Errorf("the report of another who has the ticket: %v", err)
	}
	if _, err := second.Bundle(t.Context()); !errors.Is(err, builds.ErrTicket) {
		t.Errorf("the bundle for another who has the ticket: %v", err)
	}
	// From when it has the code, that may have got hold of all that it sends.
	bundle, err := first.Bundle(t.Context())
	must(err)
	must(bundle.Close())
	if _, err := first.Order(t.Context()); !errors.Is(err, builds.ErrTicket) {
		t.Errorf("the order beside the user's code: %v", err)
	}
	must(first.Report(t.Context(), builds.Report{Failure: "the first word"}))
	must(first.Report(t.Context(), builds.Report{Failure: "the last word"}))
	content, err := s.store.AwaitBuild(t.Context(), k, "build-1", nil)
	var report builds.Report
	if err = errors.Join(err, json.Unmarshal(content, &report)); err != nil || report.Failure != "the first word" {
		t.Errorf("%+v, %v", report, err)
	}

	begin("build-2")
	if err := first.Progress(t.Context(), []string{"late"}); !errors.Is(err, builds.ErrOver) {
		t.Errorf("progress of an earlier attempt: %v", err)
	}
	if _, err := client("build-2").Order(t.Context()); err != nil {
		t.Error(err)
	}
	must(s.store.EndBuild(t.Context(), k, "build-1")) // is not the one any more
	if _, err := s.store.Build(t.Context(), k); err != nil {
		t.Error(err)
	}
	must(s.store.EndBuild(t.Context(), k, "build-2"))
	if _, err := s.store.AwaitBuild(t.Context(), k, "build-2", nil); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("waiting for an attempt that has ended: %v", err)
	}
}
