package model_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/streams"
)

// TestStartsThatRaceAnUndeploy: each is refused or has ended before the project
// goes, nothing of it is left, and a project of the same name that is deployed
// right after is another.
func TestStartsThatRaceAnUndeploy(t *testing.T) {
	w := newWorld(t, t.TempDir(), history{Dispatchers: 2, Concurrency: []int{3, 2}, Retries: []int{0, 1}, AckWait: 3000})
	defer w.close()
	ends := w.republish()
	var mu sync.Mutex
	var accepted []multinode.InvocationKey
	enough := make(chan struct{})
	var starters sync.WaitGroup
	for n := range 4 {
		starters.Go(func() {
			for {
				k, err := w.accept(n%functions, []behaviour{succeeds, holds, fails, vanishes}[n])
				if errors.Is(err, streams.ErrNotDeployed) {
					return
				}
				if err != nil {
					t.Errorf("a start was answered with %v", err)
					return
				}
				mu.Lock()
				if accepted = append(accepted, k); len(accepted) == 20 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	old := w.project
	_, err := w.store.UpdateProject(w.ctx, old.Name, old.Generation, func(p *multinode.Project) error {
		at := time.Now().UTC()
		p.DeletionRequestedAt = &at
		return nil
	})
	w.must(err)
	w.wait("the end of the project", func() bool {
		_, err := w.store.Project(w.ctx, old.Name)
		return errors.Is(err, streams.ErrNotFound)
	})
	starters.Wait()
	w.deploy()
	again, err := w.accept(0, succeeds)
	w.must(err)

	t.Logf("%d starts were accepted", len(accepted))
	for _, k := range accepted {
		if status := ends.of(k); !status.Terminal() {
			t.Errorf("%s of %q was %s when its project went", k.ID, k.Function, status)
		}
		if _, err := w.store.CurrentRecord(w.ctx, k); !errors.Is(err, streams.ErrNotFound) {
			t.Errorf("the record of %s is left: %v", k.ID, err)
		}
	}
	names := w.js.StreamNames(w.ctx)
	for name := range names.Name() {
		if strings.Contains(name, old.Generation) {
			t.Errorf("the stream %s is left", name)
		}
	}
	w.must(names.Err())
	w.wait("the end of the new project's invocation", func() bool { return ends.of(again) == multinode.Succeeded })
	counts, err := w.index.Counts(w.project.Name, w.project.Generation, functionName(0))
	w.must(err)
	if len(counts) != 1 || counts[multinode.Succeeded] != 1 {
		t.Errorf("the new project has %v", counts)
	}
	w.wait("the end of all workers", func() bool { return w.fleet.size() == 0 })
}

func (w *world) accept(function int, does behaviour) (multinode.InvocationKey, error) {
	k := multinode.InvocationKey{
		Project: w.project.Name, Generation: w.project.Generation,
		Function: functionName(function), ID: multinode.NewID(multinode.InvocationPrefix),
	}
	w.fleet.prepare(k.ID, "[[], {}]", []behaviour{does})
	_, err := w.store.Accept(w.ctx, streams.Request{Key: k, Input: []byte("[[], {}]")})
	return k, err
}

// latest knows the last state of each record, also of those that were deleted.
type latest struct {
	mu       sync.Mutex
	statuses map[multinode.InvocationKey]multinode.Status
}

func (l *latest) of(k multinode.InvocationKey) multinode.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statuses[k]
}

// republish has the server tell of every revision that it stores.
func (w *world) republish() *latest {
	stream, err := w.js.Stream(w.ctx, recordsStream)
	w.must(err)
	config := stream.CachedInfo().Config
	config.RePublish = &jetstream.RePublish{Source: ">", Destination: "stored.>"}
	l := &latest{statuses: map[multinode.InvocationKey]multinode.Status{}}
	nc, err := w.server.Connect("listener")
	w.must(err)
	w.cleanup(nc.Close)
	_, err = nc.Subscribe("stored.>", func(m *nats.Msg) {
		var record multinode.Invocation
		if json.Unmarshal(m.Data, &record) == nil {
			l.mu.Lock()
			l.statuses[record.Key] = record.Status
			l.mu.Unlock()
		}
	})
	w.must(err)
	w.must(nc.Flush())
	_, err = w.js.UpdateStream(w.ctx, config)
	w.must(err)
	return l
}
