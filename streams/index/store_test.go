package index_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
	"multinode/streams/index"
)

// stack is a real server, the Store on it and an index that follows it.
type stack struct {
	t      *testing.T
	folder string
	server *embedded.Server
	nc     *nats.Conn
	store  *streams.Store
	index  *index.Index
	began  []uint64 // the revisions after which the index was fed
	stop   func()
}

// watched notes where the feed begins.
type watched struct {
	*streams.Store
	began *[]uint64
}

func (w watched) Changes(ctx context.Context, after uint64, deliver func([]streams.Change) error) error {
	*w.began = append(*w.began, after)
	return w.Store.Changes(ctx, after, deliver)
}

func startStack(t *testing.T) *stack {
	s := &stack{t: t, folder: t.TempDir(), stop: func() {}}
	s.startServer()
	s.startIndex()
	t.Cleanup(func() { s.stopIndex(); s.stopServer() })
	return s
}

func (s *stack) startServer() {
	s.t.Helper()
	o := embeddedtest.Options(s.t)
	o.DataDir = filepath.Join(s.folder, "nats")
	s.server = embeddedtest.StartWith(s.t, o)
	var err error
	if s.nc, err = s.server.Connect("test"); err != nil {
		s.t.Fatal(err)
	}
	if s.store, err = streams.Open(s.t.Context(), s.nc, streams.Options{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) stopServer() {
	s.store.Close()
	s.nc.Close()
	embeddedtest.Close(s.t, s.server)
}

func (s *stack) startIndex() {
	s.t.Helper()
	x, err := index.Open(filepath.Join(s.folder, "index"), watched{s.store, &s.began}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var feeding sync.WaitGroup
	feeding.Go(func() {
		if err := x.Run(ctx); err != nil {
			s.t.Errorf("Run: %v", err)
		}
	})
	s.index = x
	s.stop = sync.OnceFunc(func() { cancel(); feeding.Wait() })
}

func (s *stack) stopIndex() {
	s.stop()
	if err := s.index.Close(); err != nil {
		s.t.Errorf("close the index: %v", err)
	}
}

func (s *stack) deploy(project string, functions ...string) multinode.Project {
	s.t.Helper()
	ctx := s.t.Context()
	p, err := s.store.CreateProject(ctx, project)
	if err != nil {
		s.t.Fatal(err)
	}
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionReady,
	}
	for _, f := range functions {
		v.Functions = append(v.Functions, multinode.FunctionSpec{Name: f, CPU: 0.1, MemoryGiB: 0.25, MaxConcurrency: 2, Timeout: time.Hour})
	}
	if err := s.store.CreateVersion(ctx, v, nil); err != nil {
		s.t.Fatal(err)
	}
	if err := s.store.Activate(ctx, v); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// accept makes an invocation and returns its key and its record's revision.
func (s *stack) accept(p multinode.Project, function string, lineage ...multinode.Ancestor) (multinode.InvocationKey, uint64) {
	s.t.Helper()
	r := streams.Request{
		Key:   multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: function, ID: multinode.NewID(multinode.InvocationPrefix)},
		Input: []byte(`[[], {}]`), Lineage: lineage,
	}
	if _, err := s.store.Accept(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
	_, revision, err := s.store.Record(s.t.Context(), r.Key)
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Key, revision
}

// advance takes a random step in an invocation's life.
func (s *stack) advance(random *rand.Rand, k multinode.InvocationKey) {
	s.t.Helper()
	ctx, now := s.t.Context(), time.Now()
	record, revision, err := s.store.Record(ctx, k)
	if err != nil {
		s.t.Fatal(err)
	}
	live, running := record.Live()
	step := random.IntN(4)
	switch {
	case record.Status.Terminal() && step == 0:
		err = s.store.DeleteRecord(ctx, k, revision)
	case record.Status.Terminal():
	case step == 0:
		_, _, err = s.store.Apply(ctx, k, multinode.CancelRequested{At: now})
	case !running && record.CancelRequestedAt == nil:
		_, _, err = s.store.Apply(ctx, k, multinode.LaunchIntended{Execution: multinode.NewID("exe"), At: now})
	case live.State == multinode.Starting && record.CancelRequestedAt == nil:
		_, _, err = s.store.Apply(ctx, k, multinode.WorkerStarted{Execution: live.ID, Incarnation: "one", At: now})
	default:
		kinds := []multinode.OutcomeKind{multinode.OutcomeSucceeded, multinode.OutcomeFailed, multinode.OutcomeTimedOut, multinode.OutcomeCancelled}
		_, _, err = s.store.Apply(ctx, k, multinode.ExecutionEnded{Execution: live.ID, Outcome: kinds[random.IntN(len(kinds))], At: now})
	}
	if err != nil {
		s.t.Fatalf("step %d from %s: %v", step, record.Status, err)
	}
}

// bucket reads all records anew, as they are now.
func (s *stack) bucket() map[multinode.InvocationKey]streams.Change {
	s.t.Helper()
	last, err := s.store.RecordsRevision(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	records := map[multinode.InvocationKey]streams.Change{}
	enough := errors.New("enough")
	err = s.store.Changes(s.t.Context(), 0, func(changes []streams.Change) error {
		for _, c := range changes {
			if c.Record != nil {
				records[c.Key] = c
			}
			if c.Revision == last {
				return enough
			}
		}
		return nil
	})
	if !errors.Is(err, enough) {
		s.t.Fatal(err)
	}
	return records
}

// equal waits until the index has caught up and compares it with the bucket.
func (s *stack) equal(projects ...multinode.Project) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	last, err := s.store.RecordsRevision(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(s.index.Ready(ctx), s.index.WaitFor(ctx, last)); err != nil {
		s.t.Fatal(err)
	}
	bucket := s.bucket()
	for k, c := range bucket {
		e, found, err := s.index.Get(k)
		if err != nil || !found {
			s.t.Fatalf("%v: found=%v, %v", k, found, err)
		}
		if e.Revision != c.Revision || e.Status != c.Record.Status || e.Version != c.Record.Version || e.Sequence != c.Record.Sequence || !e.CreatedAt.Equal(c.Record.CreatedAt) {
			s.t.Fatalf("entry %+v, record %+v at %d", e, c.Record, c.Revision)
		}
	}
	listed := 0
	want := map[string]map[multinode.Status]int{}
	for k, c := range bucket {
		name := k.Generation + k.Function
		if want[name] == nil {
			want[name] = map[multinode.Status]int{}
		}
		want[name][c.Record.Status]++
	}
	for _, p := range projects {
		for _, f := range []string{"f", long} {
			q := index.Query{Project: p.Name, Generation: p.Generation, Function: f, Limit: 3}
			for more := true; more; more = q.After != "" {
				page, next, err := s.index.List(q)
				if err != nil {
					s.t.Fatal(err)
				}
				listed += len(page)
				q.After = next
			}
			counts, err := s.index.Counts(p.Name, p.Generation, f)
			if err != nil {
				s.t.Fatal(err)
			}
			if w := want[p.Generation+f]; len(counts)+len(w) > 0 && !reflect.DeepEqual(counts, w) {
				s.t.Fatalf("counts of %.20q are %v, want %v", f, counts, w)
			}
		}
	}
	if listed != len(bucket) {
		s.t.Fatalf("%d are listed, %d are in the bucket", listed, len(bucket))
	}
}

var long = strings.Repeat("fünction ", 10)

func TestIndexEqualsBucket(t *testing.T) {
	s := startStack(t)
	random := rand.New(rand.NewPCG(1, 2))
	p, q := s.deploy("first", "f", long), s.deploy("zweites Projekt", "f", long)
	projects := []multinode.Project{p, q}
	var keys []multinode.InvocationKey
	work := func() {
		t.Helper()
		for range 60 {
			var lineage []multinode.Ancestor
			project := projects[random.IntN(2)]
			if len(keys) > 0 && keys[len(keys)-1].Project == project.Name {
				lineage = []multinode.Ancestor{{Function: keys[len(keys)-1].Function, ID: keys[len(keys)-1].ID}}
			}
			k, _ := s.accept(project, []string{"f", long}[random.IntN(2)], lineage...)
			keys = append(keys, k)
			for range 2 {
				i := random.IntN(len(keys))
				if _, _, err := s.store.Record(t.Context(), keys[i]); err == nil {
					s.advance(random, keys[i])
				}
			}
		}
	}
	work()
	s.equal(projects...)

	s.stopIndex()
	work() // behind the index's back
	s.startIndex()
	s.equal(projects...)

	s.stopIndex()
	s.stopServer()
	s.startServer()
	s.startIndex()
	work()
	s.equal(projects...)
	for i, after := range s.began {
		if i > 0 && after <= s.began[i-1] {
			t.Errorf("the feed began after the revisions %v: it did not resume", s.began)
		}
	}

	if err := s.store.DeleteProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	s.equal(projects...)
	if err := s.index.Unfinished(p.Name, p.Generation, func(e index.Entry) bool {
		t.Errorf("%v is left of an undeployed project", e.Key)
		return true
	}); err != nil {
		t.Fatal(err)
	}
}

func TestReadYourWrites(t *testing.T) {
	s := startStack(t)
	p := s.deploy("p", "f")
	if err := s.index.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		k, revision := s.accept(p, "f")
		notices, end := s.index.Subscribe(k)
		if err := s.index.WaitFor(t.Context(), revision); err != nil {
			t.Fatal(err)
		}
		page, _, err := s.index.List(index.Query{Project: p.Name, Generation: p.Generation, Function: "f", Limit: 1})
		if err != nil || len(page) != 1 || page[0].Key != k {
			t.Fatalf("the newest is %v, not %v (%v)", page, k, err)
		}
		if _, revision, err = s.store.RequestCancel(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		for e := range notices {
			if e.Revision == revision {
				if e.Status != multinode.Cancelled {
					t.Errorf("the notice says %s", e.Status)
				}
				break
			}
		}
		end()
	}
}
