package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"multinode"
)

// TestIndexEqualsModel compares the index with the naive model after random
// histories, restarts, kills, deleted and damaged files.
func TestIndexEqualsModel(t *testing.T) {
	folder := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		s := &system{
			ctx: ctx, source: newMemory(), boot: "boot-0", sequences: map[string]uint64{},
			path: filepath.Join(folder, fmt.Sprint(runs), "index"),
		}
		s.source.batch = rapid.IntRange(1, 7).Draw(rt, "batch")
		s.index = start(rt, s.path, s.source, s.boot)
		defer func() { s.end(rt) }()
		rt.Repeat(map[string]func(*rapid.T){
			"accept":      s.accept,
			"accept more": s.accept,
			"advance":     s.advance,
			"delete":      s.remove,
			"undeploy":    s.undeploy,
			"restart":     s.restart,
			"list":        s.checkList,
			"counts":      s.checkCounts,
			"children":    s.checkChildren,
			"unfinished":  s.checkUnfinished,
			"ahead":       s.checkAhead,
		})
		s.checkList(rt)
		s.checkCounts(rt)
		s.checkChildren(rt)
		s.checkUnfinished(rt)
		s.checkAhead(rt)
	})
}

type system struct {
	ctx       context.Context
	source    *memory
	index     *running
	path      string
	boot      string
	boots     int
	keys      []multinode.InvocationKey
	sequences map[string]uint64
	clock     int
}

var (
	projects  = []string{"p", "p\x00q", "проект"}
	functions = []string{"f", "g", strings.Repeat("🐘", multinode.MaxFunctionName-1) + "a", strings.Repeat("🐘", multinode.MaxFunctionName-1) + "b"}
	versions  = []string{"ver-" + strings.Repeat("0a", 16), "ver-" + strings.Repeat("ff", 16), "odd"}
	epoch     = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
)

// often draws the first choice most of the time, so that lists get long.
func often(choices []string) *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(choices[0]), rapid.Just(choices[0]), rapid.SampledFrom(choices))
}

func (s *system) accept(t *rapid.T) {
	key := multinode.InvocationKey{
		Project:    often(projects).Draw(t, "project"),
		Generation: often([]string{"gen0", "gen1"}).Draw(t, "generation"),
		Function:   often(functions).Draw(t, "function"),
		ID:         fmt.Sprintf("inv-%032x", len(s.keys)),
	}
	if rapid.IntRange(0, 9).Draw(t, "odd ID") == 0 {
		key.ID = fmt.Sprintf("chosen %d", len(s.keys))
	}
	stream := key.Project + key.Generation + key.Function
	s.sequences[stream]++
	s.clock += rapid.IntRange(-2, 3).Draw(t, "clock") // clocks step back, and times repeat
	record := &multinode.Invocation{
		Key: key, Version: rapid.SampledFrom(versions).Draw(t, "version"), Sequence: s.sequences[stream],
		CreatedAt: epoch.Add(time.Duration(s.clock)), UpdatedAt: epoch, Status: multinode.Pending,
	}
	if len(s.keys) > 0 && rapid.Bool().Draw(t, "nested") {
		parent := rapid.SampledFrom(s.keys).Draw(t, "parent")
		record.Key.Project, record.Key.Generation = parent.Project, parent.Generation
		key = record.Key
		record.Lineage = []multinode.Ancestor{{Function: "root", ID: "x"}, {Function: parent.Function, ID: parent.ID}}
	}
	s.keys = append(s.keys, key)
	s.source.put(key, record)
}

func (s *system) advance(t *rapid.T) {
	if len(s.keys) == 0 {
		t.Skip("nothing there")
	}
	key := rapid.SampledFrom(s.keys).Draw(t, "key")
	s.source.mu.Lock()
	old := s.source.messages[key].Record
	s.source.mu.Unlock()
	if old == nil {
		return
	}
	record := *old
	record.Status = multinode.Running
	if rapid.Bool().Draw(t, "any status") {
		record.Status = rapid.SampledFrom(statuses[:]).Draw(t, "status")
	}
	record.UpdatedAt = record.UpdatedAt.Add(time.Second)
	record.Executions = []multinode.Execution{{ID: "exe", State: multinode.Ended}}
	if !record.Status.Terminal() && rapid.Bool().Draw(t, "live") {
		record.Executions[0].State = multinode.ExecutionRunning
	}
	if rapid.Bool().Draw(t, "cancel") {
		at := epoch.Add(time.Hour)
		record.CancelRequestedAt = &at
	}
	s.source.put(key, &record)
}

func (s *system) remove(t *rapid.T) {
	if len(s.keys) == 0 {
		t.Skip("nothing there")
	}
	s.source.put(rapid.SampledFrom(s.keys).Draw(t, "key"), nil)
}

func (s *system) undeploy(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
		s.source.dropProject(rapid.SampledFrom(projects).Draw(t, "project"), "gen0")
	}
}

func (s *system) restart(t *rapid.T) {
	how := rapid.SampledFrom([]string{"cleanly", "killed", "power loss", "deleted", "cut off", "garbage", "bucket made anew"}).Draw(t, "how")
	if rapid.Bool().Draw(t, "caught up") {
		caughtUp(s.ctx, t, s.index.Index, s.source)
	}
	s.index.stop()
	image, err := os.ReadFile(s.path) // what a killed process leaves
	if err != nil {
		t.Fatalf("read the file: %v", err)
	}
	s.end(t)
	switch how {
	case "killed":
		s.write(t, image)
	case "power loss":
		s.write(t, image)
		s.boots++
		s.boot = fmt.Sprintf("boot-%d", s.boots)
	case "deleted":
		if err := os.Remove(s.path); err != nil {
			t.Fatalf("remove: %v", err)
		}
	case "cut off":
		s.write(t, image[:rapid.IntRange(0, len(image)).Draw(t, "size")])
	case "garbage":
		s.write(t, s.garble(t, image))
	case "bucket made anew":
		s.source.mu.Lock()
		clear(s.source.messages)
		s.source.last = 0
		s.source.mu.Unlock()
		s.keys = nil
	}
	s.index = start(t, s.path, s.source, s.boot)
	if how == "bucket made anew" {
		// Revisions alone can only tell while they are below the old ones.
		caughtUp(s.ctx, t, s.index.Index, s.source)
	}
}

// garble overwrites whole pages, as a bad disk or a stray write does. It leaves
// out those that continue the one before: bbolt has nothing there by which to
// tell, and neither do we.
func (s *system) garble(t *rapid.T, image []byte) []byte {
	size := os.Getpagesize()
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	for range rapid.IntRange(1, 8).Draw(t, "pages") {
		number := rapid.IntRange(0, len(image)/size-1).Draw(t, "page")
		page := image[number*size:][:size]
		if binary.NativeEndian.Uint64(page) != uint64(number) {
			continue
		}
		for i := range page {
			page[i] = byte(random.Uint32())
		}
	}
	return image
}

func (s *system) write(t *rapid.T, image []byte) {
	if err := os.WriteFile(s.path, image, 0o600); err != nil {
		t.Fatalf("write: %v", err)
	}
}

func (s *system) end(t *rapid.T) {
	s.index.stop()
	if err := s.index.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func (s *system) function(t *rapid.T) Query {
	if len(s.keys) == 0 {
		t.Skip("nothing there")
	}
	k := rapid.SampledFrom(s.keys).Draw(t, "of")
	return Query{Project: k.Project, Generation: k.Generation, Function: k.Function}
}

func (s *system) checkList(t *rapid.T) {
	if len(s.keys) == 0 {
		return
	}
	q := s.function(t)
	q.Limit = rapid.IntRange(1, 5).Draw(t, "limit")
	q.Version = rapid.SampledFrom(append([]string{""}, versions...)).Draw(t, "version")
	q.Status = rapid.SliceOfN(rapid.SampledFrom(statuses[:]), 0, 3).Draw(t, "status")
	if rapid.Bool().Draw(t, "by terminal") {
		terminal := rapid.Bool().Draw(t, "terminal")
		q.Terminal = &terminal
	}
	if rapid.Bool().Draw(t, "by parent") {
		parent := rapid.SampledFrom(s.keys).Draw(t, "parent")
		q.Parent = &multinode.Ancestor{Function: parent.Function, ID: parent.ID}
	}
	var got []Entry
	for {
		var page []Entry
		var next string
		must(s.ctx, t, s.index.Index, s.source, func() (err error) { page, next, err = s.index.List(q); return err })
		if len(page) > q.Limit || (next != "" && len(page) < q.Limit) {
			t.Fatalf("a page of %d with the limit %d and next %q", len(page), q.Limit, next)
		}
		got = append(got, page...)
		if q.After = next; next == "" {
			break
		}
	}
	same(t, "list", got, s.source.list(q))
}

func (s *system) checkCounts(t *rapid.T) {
	if len(s.keys) == 0 {
		return
	}
	q := s.function(t)
	var got map[multinode.Status]int
	must(s.ctx, t, s.index.Index, s.source, func() (err error) {
		got, err = s.index.Counts(q.Project, q.Generation, q.Function)
		return err
	})
	if want := s.source.counts(q.Project, q.Generation, q.Function); !maps.Equal(got, want) {
		t.Fatalf("counts are %v, want %v", got, want)
	}
}

func (s *system) checkChildren(t *rapid.T) {
	if len(s.keys) == 0 {
		return
	}
	parent := rapid.SampledFrom(s.keys).Draw(t, "parent")
	var got []Entry
	must(s.ctx, t, s.index.Index, s.source, func() (err error) { got, err = s.index.Children(parent); return err })
	same(t, "children", got, s.source.entries(func(e Entry) bool {
		return e.Parent != nil && e.Key.Project == parent.Project && e.Key.Generation == parent.Generation &&
			*e.Parent == multinode.Ancestor{Function: parent.Function, ID: parent.ID}
	}))
}

func (s *system) checkUnfinished(t *rapid.T) {
	project, generation := "", ""
	if rapid.Bool().Draw(t, "of one project") {
		project, generation = rapid.SampledFrom(projects).Draw(t, "project"), "gen0"
	}
	var got []Entry
	must(s.ctx, t, s.index.Index, s.source, func() error {
		got = nil
		return s.index.Unfinished(project, generation, func(e Entry) bool { got = append(got, e); return true })
	})
	slices.SortFunc(got, newestFirst)
	same(t, "unfinished", got, s.source.entries(func(e Entry) bool {
		return !e.Status.Terminal() && (project == "" || e.Key.Project == project && e.Key.Generation == generation)
	}))
}

func (s *system) checkAhead(t *rapid.T) {
	for _, key := range s.keys {
		var got int
		must(s.ctx, t, s.index.Index, s.source, func() (err error) { got, err = s.index.Ahead(key); return err })
		if want := s.source.ahead(key); got != want {
			t.Fatalf("%d ahead of %v, want %d", got, key, want)
		}
	}
}

func same(t fataler, what string, got, want []Entry) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b Entry) bool { return describe(a) == describe(b) }) {
		t.Fatalf("%s: got %d\n%s\nwant %d\n%s", what, len(got), describeAll(got), len(want), describeAll(want))
	}
}

func describe(e Entry) string {
	text := fmt.Sprintf("%.60q %d %s live=%v slot=%v %s rev=%d %d %d", fmt.Sprint(e.Key), len(e.Key.Function), e.Status, e.Live, e.HasSlot, e.Version, e.Revision, e.Sequence, e.CreatedAt.UnixNano()) +
		fmt.Sprint(idOf(e.Key), e.UpdatedAt.UnixNano())
	if e.Parent != nil {
		text += fmt.Sprintf(" of %.40q %s", e.Parent.Function, e.Parent.ID)
	}
	if e.CancelRequestedAt != nil {
		text += " cancel " + e.CancelRequestedAt.UTC().String()
	}
	return text
}

func describeAll(all []Entry) string {
	lines := make([]string, len(all))
	for i, e := range all {
		lines[i] = describe(e)
	}
	return strings.Join(lines, "\n")
}
