package streams_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

func TestFollowingTheRecordsCostsNoGoroutinePerChange(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := accept(t, s, request(p, "fn"))
	if _, _, err := s.Record(t.Context(), r.Key); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen, done := make(chan uint64, 1), make(chan error, 1)
	go func() {
		done <- s.Changes(ctx, 0, func(changes []streams.Change) error {
			seen <- changes[len(changes)-1].Revision
			return nil
		})
	}()
	<-seen
	before := runtime.NumGoroutine()
	const changes = 50
	for range changes {
		execution := multinode.NewID(multinode.ExecutionPrefix)
		_, revision, err := s.Apply(t.Context(), r.Key, multinode.LaunchIntended{Execution: execution, At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		for at := <-seen; at < revision; at = <-seen {
		}
		if _, revision, err = s.Apply(t.Context(), r.Key, multinode.LaunchDeferred{Execution: execution, At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		for at := <-seen; at < revision; at = <-seen {
		}
	}
	if after := runtime.NumGoroutine(); after > before+changes/2 {
		t.Errorf("%d goroutines after %d changes, %d before", after, 2*changes, before)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAFollowerMayLeaveInTheMiddleOfABatch(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	k := request(p, "fn").Key
	lines := make([]multinode.LogLine, 500)
	for i := range lines {
		lines[i] = multinode.LogLine{Time: time.Now(), Stream: "stdout", Text: strings.Repeat("x", 100)}
	}
	for range 4 {
		if err := s.PutLogs(t.Context(), k.Execution("exe-1"), lines); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		batches, err := s.FollowLogs(ctx, k, "")
		if err != nil {
			t.Fatal(err)
		}
		<-batches // the next one is being read now
		cancel()
		for range batches {
		}
	}
}
