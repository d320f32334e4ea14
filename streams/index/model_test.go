package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

// memory is a source with the rules of the bucket's stream: one message per key,
// revisions that only grow, and a stream that can be followed. It is also the
// naive model that the index is compared with.
type memory struct {
	mu       sync.Mutex
	last     uint64
	messages map[multinode.InvocationKey]streams.Change
	grown    chan struct{} // closed when a message is added
	batch    int           // changes per batch, at most
	failures []error       // returned by the next calls of Changes
	calls    []uint64      // what Changes was called with
	stepDone chan struct{} // if set, gets a value before each delivery
}

func newMemory() *memory {
	return &memory{messages: map[multinode.InvocationKey]streams.Change{}, grown: make(chan struct{}), batch: 100}
}

func (m *memory) put(key multinode.InvocationKey, record *multinode.Invocation) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	m.messages[key] = streams.Change{Key: key, Record: record, Revision: m.last}
	close(m.grown)
	m.grown = make(chan struct{})
	return m.last
}

// dropProject does what the Store does: purge, then a marker.
func (m *memory) dropProject(project, generation string) uint64 {
	m.mu.Lock()
	for k := range m.messages {
		if k.Project == project && k.Generation == generation {
			delete(m.messages, k)
		}
	}
	m.mu.Unlock()
	return m.put(multinode.InvocationKey{Project: project, Generation: generation}, nil)
}

func (m *memory) RecordsRevision(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, nil
}

// began returns the revisions that Changes was called with.
func (m *memory) began() []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

func (m *memory) after(revision uint64) ([]streams.Change, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var changes []streams.Change
	for _, c := range m.messages {
		if c.Revision > revision {
			changes = append(changes, c)
		}
	}
	slices.SortFunc(changes, func(a, b streams.Change) int { return cmp.Compare(a.Revision, b.Revision) })
	return changes[:min(m.batch, len(changes))], m.grown
}

func (m *memory) Changes(ctx context.Context, after uint64, deliver func([]streams.Change) error) error {
	m.mu.Lock()
	m.calls = append(m.calls, after)
	last := m.last
	var failure error
	if len(m.failures) > 0 {
		failure, m.failures = m.failures[0], m.failures[1:]
	}
	m.mu.Unlock()
	if failure != nil {
		return failure
	}
	if after > last {
		return streams.ErrResync
	}
	for {
		changes, grown := m.after(after)
		if len(changes) > 0 {
			if m.stepDone != nil {
				select {
				case m.stepDone <- struct{}{}:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if err := deliver(changes); err != nil {
				return err
			}
			after = changes[len(changes)-1].Revision
			continue
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *memory) entries(keep func(Entry) bool) []Entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	var entries []Entry
	for key, c := range m.messages {
		if c.Record == nil {
			continue
		}
		if e := entryOf(key, c.Record, c.Revision); keep(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, newestFirst)
	return entries
}

func newestFirst(a, b Entry) int {
	if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
		return c
	}
	if c := cmp.Compare(b.Sequence, a.Sequence); c != 0 {
		return c
	}
	ha, hb := idOf(a.Key).invocation, idOf(b.Key).invocation
	return slices.Compare(ha[:], hb[:])
}

func (m *memory) list(q Query) []Entry {
	return m.entries(func(e Entry) bool {
		return e.Key.Project == q.Project && e.Key.Generation == q.Generation && e.Key.Function == q.Function &&
			(q.Version == "" || e.Version == q.Version) &&
			(len(q.Status) == 0 || slices.Contains(q.Status, e.Status)) &&
			(q.Terminal == nil || *q.Terminal == e.Status.Terminal()) &&
			(q.Parent == nil || e.Parent != nil && *e.Parent == *q.Parent)
	})
}

func (m *memory) counts(project, generation, function string) map[multinode.Status]int {
	counts := map[multinode.Status]int{}
	for _, e := range m.list(Query{Project: project, Generation: generation, Function: function}) {
		counts[e.Status]++
	}
	return counts
}

func (m *memory) ahead(key multinode.InvocationKey) int {
	all := m.list(Query{Project: key.Project, Generation: key.Generation, Function: key.Function})
	waits := func(e Entry) bool { return !e.HasSlot && !e.Status.Terminal() }
	at := slices.IndexFunc(all, func(e Entry) bool { return e.Key == key })
	if at < 0 || !waits(all[at]) {
		return 0
	}
	n := 0
	for _, e := range all {
		if waits(e) && e.Sequence < all[at].Sequence {
			n++
		}
	}
	return n
}

// running is an index that is being fed.
type running struct {
	*Index
	stop func()
}

func start(t fataler, path string, source Source, boot string) *running {
	t.Helper()
	x, err := open(path, source, nil, boot)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	return &running{Index: x, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Fatalf("Run: %v", err)
		}
	})}
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// within bounds what a test waits for; it is never waited out.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// caughtUp waits until the index shows all that the source has.
func caughtUp(ctx context.Context, t fataler, x *Index, source Source) {
	t.Helper()
	last, err := source.RecordsRevision(ctx)
	if err != nil {
		t.Fatalf("last revision: %v", err)
	}
	if err := x.Ready(ctx); err != nil {
		t.Fatalf("ready: %v", err)
	}
	if err := x.WaitFor(ctx, last); err != nil {
		t.Fatalf("wait for revision: %v", err)
	}
}

// must runs a read until the index is neither damaged nor being made again.
func must(ctx context.Context, t fataler, x *Index, source Source, read func() error) {
	t.Helper()
	for {
		caughtUp(ctx, t, x, source)
		err := read()
		if err == nil {
			return
		}
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotReady) {
			t.Fatalf("read: %v", err)
		}
	}
}

func key(function string, n int) multinode.InvocationKey {
	return multinode.InvocationKey{Project: "p", Generation: "g", Function: function, ID: fmt.Sprintf("inv-%032x", n)}
}

func pending(k multinode.InvocationKey, n int) *multinode.Invocation {
	at := epoch.Add(time.Duration(n) * time.Second)
	return &multinode.Invocation{
		Key: k, Version: versions[0], Sequence: uint64(n), CreatedAt: at, UpdatedAt: at, Status: multinode.Pending,
	}
}

func with(r *multinode.Invocation, s multinode.Status) *multinode.Invocation {
	next := *r
	next.Status = s
	return &next
}

func opened(t *testing.T, fill ...func(*memory)) (*running, *memory) {
	m := newMemory()
	for _, f := range fill {
		f(m)
	}
	x := start(t, filepath.Join(t.TempDir(), "index"), m, "boot")
	t.Cleanup(func() { x.stop(); _ = x.Close() })
	return x, m
}
