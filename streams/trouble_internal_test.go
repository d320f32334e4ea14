package streams

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
)

// troubled has a store that follows everything, on a server that gets into trouble.
type troubled struct {
	*testing.T
	options embedded.Options
	server  *embedded.Server
	relay   *relay
	follows *Store
	// heard gets what was heard of, by what follows it. The registry's are not in
	// it: the copy tells.
	heard map[string]chan string
}

func newTroubled(t *testing.T) *troubled {
	w := &troubled{T: t, options: embeddedtest.Options(t), heard: map[string]chan string{}}
	w.server = embeddedtest.StartWith(t, w.options)
	credentials, err := w.server.ClientCredentials("test", time.Now().Add(time.Hour))
	check(t, err)
	path := filepath.Join(t.TempDir(), "creds")
	check(t, os.WriteFile(path, credentials, 0o600))
	w.relay = newRelay(t, w.server.URL())
	nc, err := nats.Connect(w.relay.url, nats.UserCredentials(path), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.IgnoreAuthErrorAbort(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	check(t, err)
	t.Cleanup(nc.Close)
	w.follows, err = open(t.Context(), nc, Options{}, 500*time.Millisecond)
	check(t, err)
	t.Cleanup(w.follows.Close)
	return w
}

// writes runs do with a store whose connection has no trouble.
func (w *troubled) writes(do func(*Store)) {
	w.Helper()
	nc, err := w.server.Connect("writer")
	check(w.T, err)
	defer nc.Close()
	s, err := Open(w.Context(), nc, Options{})
	check(w.T, err)
	defer s.Close()
	do(s)
}

// loseConsumers deletes all consumers, as the loss of the server that kept them does.
func (w *troubled) loseConsumers() {
	w.Helper()
	w.writes(func(s *Store) {
		for _, name := range []string{
			"KV_" + registryBucket, "KV_" + invocationsBucket, "KV_" + yieldsBucket, "KV_" + outcomesBucket, logsStream,
		} {
			stream, err := s.js.Stream(w.Context(), name)
			check(w.T, err)
			for consumer := range stream.ConsumerNames(w.Context()).Name() {
				if err := stream.DeleteConsumer(w.Context(), consumer); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
					w.Fatal(err)
				}
			}
		}
	})
}

var watched = multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-1"}

// followAll follows everything that a process follows all its life.
func (w *troubled) followAll() {
	w.Helper()
	for _, what := range []string{"records", "outcomes", "yields", "logs", "cancels", "exits"} {
		w.heard[what] = make(chan string, 1000)
	}
	s, ctx := w.follows, w.Context()
	go func() {
		_ = s.Changes(ctx, 0, func(changes []Change) error {
			for _, c := range changes {
				w.heard["records"] <- c.Key.ID
			}
			return nil
		})
	}()
	check(w.T, s.FollowOutcomes(ctx, func(k multinode.ExecutionKey) { w.heard["outcomes"] <- k.ID }))
	notices, stop, err := s.YieldNotices(watched)
	check(w.T, err)
	w.Cleanup(stop)
	go func() {
		for range notices {
			w.heard["yields"] <- "some"
		}
	}()
	batches, err := s.FollowLogs(ctx, watched, "")
	check(w.T, err)
	go func() {
		for b := range batches {
			w.heard["logs"] <- b.Execution
		}
	}()
	check(w.T, s.FollowCancels(ctx, func(k multinode.InvocationKey, _ bool) { w.heard["cancels"] <- k.ID }))
	check(w.T, s.FollowExits(ctx, func(e WorkerExit) { w.heard["exits"] <- e.Execution }))
}

// store stores something of everything under that ID, and what is stored only.
func (w *troubled) store(s *Store, id string) {
	w.Helper()
	k := watched.Execution(id)
	record := watched
	record.ID = id
	_, err := s.CreateProject(w.Context(), id)
	check(w.T, err)
	_, _, err = s.Apply(w.Context(), record, multinode.Accepted{Key: record, At: time.Now()})
	check(w.T, err)
	_, _, err = s.PutOutcome(w.Context(), k, multinode.Outcome{Kind: multinode.OutcomeSucceeded})
	check(w.T, err)
	check(w.T, s.PutYield(w.Context(), k, nil))
	check(w.T, s.PutLogs(w.Context(), k, nil))
}

// hears waits until everything of that ID was heard of.
func (w *troubled) hears(id string) {
	w.Helper()
	for _, what := range []string{"records", "outcomes", "yields", "logs"} {
		want := id
		if what == "yields" {
			want = "some"
		}
		w.hearsOf(what, want)
	}
	w.registryHas(id, true)
}

func (w *troubled) hearsOf(what, id string) {
	w.Helper()
	for {
		select {
		case got := <-w.heard[what]:
			if got == id {
				return
			}
		case <-time.After(time.Minute):
			w.Fatalf("nothing is heard of the %s any more", what)
		}
	}
}

// registryHas waits until the copy knows, or does not know, a project.
func (w *troubled) registryHas(project string, wanted bool) {
	w.Helper()
	changes, stop := w.follows.RegistryChanges()
	defer stop()
	for deadline := time.After(time.Minute); ; {
		has := false
		for _, p := range all[multinode.Project](w.follows.registry, "project.") {
			has = has || p.Name == project
		}
		if has == wanted {
			return
		}
		select {
		case <-changes:
		case <-deadline:
			w.Fatalf("the copy of the registry has the project %q: %v", project, has)
		}
	}
}

// vanish removes a project so that nothing tells of it, as where the marker of its
// deletion has expired.
func (w *troubled) vanish(s *Store, project string) {
	w.Helper()
	check(w.T, s.registry.stream.Purge(w.Context(), jetstream.WithPurgeSubject(kvSubject(registryBucket, projectKey(project)))))
}

func TestTheRegistryAndEverythingElseIsFollowedThroughTrouble(t *testing.T) {
	for name, trouble := range map[string]func(w *troubled, meanwhile func()){
		"the consumers are lost": func(w *troubled, meanwhile func()) {
			w.loseConsumers()
			meanwhile()
		},
		"the server is started again": func(w *troubled, meanwhile func()) {
			w.relay.set(cut)
			embeddedtest.Close(w.T, w.server)
			w.server = embeddedtest.StartWith(w.T, w.options)
			meanwhile()
			w.relay.set(passing)
		},
		"what is delivered gets lost": func(w *troubled, meanwhile func()) {
			w.relay.set(mute)
			meanwhile()
			w.relay.set(passing)
		},
		"the registry is replaced by a shorter one": func(w *troubled, meanwhile func()) {
			w.writes(func(s *Store) { check(w.T, s.js.DeleteStream(w.Context(), "KV_"+registryBucket)) })
			meanwhile() // opening a store makes it anew
		},
		"the connection breaks": func(w *troubled, meanwhile func()) {
			w.relay.set(cut)
			meanwhile()
			w.relay.set(passing)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTroubled(t)
			w.followAll()
			w.writes(func(s *Store) { w.store(s, "first") })
			w.hears("first")
			for _, id := range []string{"second", "third"} {
				trouble(w, func() {
					w.writes(func(s *Store) {
						w.store(s, id)
						w.vanish(s, "first")
					})
				})
				w.hears(id)
				w.registryHas("first", false)
			}
			// Hints that were given meanwhile are lost; those that come now are not.
			w.writes(func(s *Store) {
				s.HintCancel(watched)
				check(t, s.TellExit(WorkerExit{Execution: "exe"}))
				check(t, s.nc.Flush())
			})
			w.hearsOf("cancels", watched.ID)
			w.hearsOf("exits", "exe")
		})
	}
}
