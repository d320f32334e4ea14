package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

func TestDeletingAProjectAgainSparesTheNewOneOfItsName(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	if err := s.DeleteProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	again, _ := deploy(t, s, "p", spec("fn"))
	// A dispatcher that had not heard of the end of the first undeploy.
	if err := s.DeleteProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Project(t.Context(), "p"); err != nil || found.Generation != again.Generation {
		t.Errorf("found %+v, %v", found, err)
	}
	accept(t, s, request(again, "fn"))
	if _, err := s.Accept(t.Context(), request(p, "fn")); !errors.Is(err, streams.ErrNotDeployed) {
		t.Errorf("a request for the earlier project answered %v", err)
	}
}

func TestAnUndeployFindsStreamsOfAnActivationThatWasCutOff(t *testing.T) {
	server := embeddedtest.Start(t)
	nc, err := server.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s, err := streams.Open(t.Context(), nc, streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for range 2 {
		p, err := s.CreateProject(t.Context(), "p")
		if err != nil {
			t.Fatal(err)
		}
		v := multinode.Version{
			ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
			CreatedAt: time.Now().UTC(), State: multinode.VersionPreparing, Functions: []multinode.FunctionSpec{spec("fn")},
		}
		if err := s.CreateVersion(t.Context(), v, nil); err != nil {
			t.Fatal(err)
		}
		// The crash comes when the consumer has been asked for.
		cut, crash := context.WithCancel(t.Context())
		sub, err := nc.Subscribe("$JS.API.CONSUMER.CREATE.>", func(*nats.Msg) { crash() })
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Activate(cut, v); !errors.Is(err, context.Canceled) {
			t.Fatalf("the activation answered %v", err)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteProject(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name := range js.StreamNames(t.Context(), jetstream.WithStreamListSubject("mn.invoke.>")).Name() {
		t.Errorf("the stream %s is left", name)
	}
}

func TestAnOlderVersionThatIsReadyLaterDoesNotTakeOver(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("other"))
	version := func(age time.Duration, quota int) multinode.Version {
		f := spec("fn")
		f.MaxConcurrency = quota
		v := multinode.Version{
			ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
			CreatedAt: time.Now().UTC().Add(-age), State: multinode.VersionPreparing, Functions: []multinode.FunctionSpec{f},
		}
		if err := s.CreateVersion(t.Context(), v, nil); err != nil {
			t.Fatal(err)
		}
		return v
	}
	older, newer := version(time.Minute, 1), version(0, 7)
	for _, v := range []multinode.Version{newer, older} {
		if err := s.Activate(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	f, err := s.Function(t.Context(), p, "fn")
	if err != nil || f.MaxConcurrency != 7 {
		t.Errorf("the quota is %d, %v", f.MaxConcurrency, err)
	}
	r := accept(t, s, request(p, "fn"))
	if record, _, err := s.Record(t.Context(), r.Key); err != nil || record.Version != newer.ID {
		t.Errorf("the request runs on %s: %v", record.Version, err)
	}
}

func TestADeletedRecordDoesNotRiseAgain(t *testing.T) {
	s := openStore(t)
	p, v := deploy(t, s, "p", spec("fn"))
	r := accept(t, s, request(p, "fn"))
	record, revision, err := s.RequestCancel(t.Context(), r.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRequest(t.Context(), r.Key, r.Sequence); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRecord(t.Context(), r.Key, revision); err != nil {
		t.Fatal(err)
	}
	again := multinode.Accepted{Key: r.Key, Version: v.ID, Spec: spec("fn"), Sequence: r.Sequence, At: time.Now()}
	_, _, err = s.ApplyTo(t.Context(), r.Key, &record, revision, again, multinode.LaunchIntended{Execution: "exe-1", At: time.Now()})
	if !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("a late event answered %v", err)
	}
	if _, err := s.CurrentRecord(t.Context(), r.Key); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the record is back: %v", err)
	}
}
