package fargate_test

import (
	"strings"
	"testing"
	"time"

	"multinode/dispatcher/provision/fargate"
	"multinode/dispatcher/provision/fargate/fakeecs"
)

// hearing opens a provisioner that learns of ends by events alone.
func hearing(t *testing.T, s *fakeecs.Server) *fargate.Provisioner {
	t.Helper()
	o := options(s)
	o.QueueURL, o.Sweep = s.URL+fakeecs.QueuePath, time.Hour
	return open(t, o)
}

func TestMessagesThatCannotBeReadAreLeftForPeople(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	s.SendMessage("not JSON")
	s.SendMessage(`{"detail-type": "something else"}`)
	p := hearing(t, s)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState(t.Context(), "exe-1", "RUNNING")
	s.Stop()
	if exit := <-p.Exits(); exit.ExecutionID != "exe-1" {
		t.Errorf("%+v", exit)
	}
	s.AwaitState(t.Context(), "exe-1", "STOPPED")
	s.AwaitQueued(t.Context(), 1)
}

// Events come more than once, and an old one after a newer.
func TestEventsMayComeTwiceAndInAnyOrder(t *testing.T) {
	s := serve(t, fakeecs.Options{KeepEvents: true})
	p := hearing(t, s)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState(t.Context(), "exe-1", "RUNNING")
	s.Stop()
	s.AwaitState(t.Context(), "exe-1", "STOPPED")
	var events []string
	for _, event := range s.Events() {
		events = append([]string{event}, events...) // the newest first
	}
	for _, event := range append(events, events...) {
		s.SendMessage(event)
	}
	s.AwaitQueued(t.Context(), 0)
	if exit := <-p.Exits(); exit.ExecutionID != "exe-1" || exit.NotStarted {
		t.Errorf("%+v", exit)
	}
	workers, err := p.List(t.Context())
	if err != nil || len(workers) != 1 || workers[0].Alive || len(p.Exits()) != 0 {
		t.Errorf("%+v, %d more notices, %v", workers, len(p.Exits()), err)
	}
}

// Dispatchers share the queue: whoever gets an event tells of the end, though the
// worker is not known to it. Of other installations it says nothing.
func TestTheEndOfAnothersWorkerIsToldOn(t *testing.T) {
	s := serve(t, fakeecs.Options{KeepEvents: true})
	o := options(s)
	o.Sweep = time.Hour
	stranger := o
	stranger.Installation = "multinode-2"
	for _, owner := range []*fargate.Provisioner{open(t, stranger), open(t, o)} {
		id := "exe-" + strings.TrimPrefix(owner.Place(), "fargate:"+fakeecs.ClusterARN+":")
		if _, err := owner.Launch(t.Context(), intent(id)); err != nil {
			t.Fatal(err)
		}
		s.AwaitState(t.Context(), id, "RUNNING")
	}
	late := serve(t, fakeecs.Options{}) // where the API shows nothing of them
	p := hearing(t, late)
	s.Stop()
	for _, id := range []string{"exe-multinode-2", "exe-multinode"} {
		s.AwaitState(t.Context(), id, "STOPPED")
	}
	for _, event := range s.Events() {
		late.SendMessage(event)
	}
	if exit := <-p.Exits(); exit.ExecutionID != "exe-multinode" || !strings.Contains(exit.Detail, "exit code 143") {
		t.Errorf("%+v", exit)
	}
	late.AwaitQueued(t.Context(), 0)
}
