package gateway_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/streams/index"
	"multinode/wire"
)

// line is a function's invocations, in the order of their acceptance.
type line struct {
	*system
	project multinode.Project
	paths   []string
	keys    []multinode.InvocationKey
}

// join starts invocations of a function, children of the parent if there is one.
func (l *line) join(n int, function string, parent *multinode.InvocationKey) (first int) {
	l.t.Helper()
	for range n {
		d := wire.InvocationDefinition{Input: "[[], {}]"}
		if parent != nil {
			d.ParentInvocation = &wire.ParentInvocation{FunctionName: parent.Function, InvocationID: parent.ID}
		}
		var info wire.InvocationInfo
		path := functionPath(l.project.Name, "latest", function) + "/invocations"
		l.do(http.MethodPost, path, d).is(http.StatusOK, &info)
		l.paths = append(l.paths, path+"/"+info.InvocationID)
		l.keys = append(l.keys, multinode.InvocationKey{
			Project: l.project.Name, Generation: l.project.Generation, Function: function, ID: info.InvocationID,
		})
	}
	return len(l.keys) - n
}

func (l *line) reason(i int) string {
	l.t.Helper()
	revision, err := l.store.RecordsRevision(l.t.Context())
	l.must(err)
	l.must(l.index.WaitFor(l.t.Context(), revision))
	var info wire.InvocationInfo
	if l.get(l.paths[i]).is(http.StatusOK, &info); info.WaitingReason == nil {
		return ""
	}
	return *info.WaitingReason
}

func (l *line) want(i int, text string) {
	l.t.Helper()
	if got := l.reason(i); got != text && (text == "" || !strings.Contains(got, text)) {
		l.t.Errorf("number %d waits because of %q, want %q", i, got, text)
	}
}

func TestWhyItWaits(t *testing.T) {
	s := start(t)
	f := spec("f")
	f.MaxRetries = 2
	p, _ := s.deploy("p", f)
	l := &line{system: s, project: p}
	l.join(5, "f", nil)
	// Also where their records are not made yet.
	l.want(4, "behind 4 others in line for one of 2 slots")
	l.want(1, "behind 1 other in line for one of 2 slots")
	l.want(0, "next in line for one of 2 slots")

	now := time.Now().UTC()
	l.apply(l.keys[0], multinode.LaunchIntended{Execution: "exe-1", At: now})
	l.want(0, "its worker is starting")
	l.want(2, "behind 1 other")
	l.apply(l.keys[0], multinode.LaunchDeferred{Execution: "exe-1", Reason: "no capacity: out of CPUs", Until: now.Add(time.Hour), At: now})
	l.want(0, "no capacity: out of CPUs; the next try is at "+now.Add(time.Hour).Format(time.RFC3339))
	l.want(2, "behind 1 other") // what waits for capacity keeps its slot

	x := l.run(l.keys[1])
	l.want(1, "")
	l.want(2, "next in line")
	end := time.Now().UTC()
	l.apply(l.keys[1], multinode.ExecutionEnded{Execution: x.ID, Outcome: multinode.OutcomeFailed, At: end.Add(time.Hour)})
	l.want(1, "between tries: 1 of 3 has failed; the next try is at "+end.Add(time.Hour+multinode.RetryDelay(1)).Format(time.RFC3339))
	l.want(2, "next in line") // a retry keeps its slot
	x = l.run(l.keys[1])
	l.apply(l.keys[1], multinode.ExecutionEnded{Execution: x.ID, Outcome: multinode.OutcomeFailed, At: end.Add(-time.Hour)})
	l.want(1, "between tries: 2 of 3 have failed; the next try is due")

	// A cancelled one is not ahead, though its request is still in line.
	l.want(4, "behind 2 others")
	l.put(l.paths[2]+"/cancel").is(http.StatusOK, nil)
	l.want(4, "behind 1 other ")
	l.want(3, "next in line") // which makes sure of its record

	// Another gateway, or this one after a restart with an empty folder, says the same.
	again, err := index.Open(filepath.Join(t.TempDir(), "index"), s.store, nil)
	s.must(err)
	fed := make(chan error, 1)
	go func() { fed <- again.Run(t.Context()) }()
	t.Cleanup(func() { _, _ = again.Close(), <-fed })
	s.must(again.Ready(t.Context()))
	if n, err := again.Ahead(l.keys[4]); n != 1 || err != nil {
		t.Errorf("a new index has %d ahead, not 1 (%v)", n, err)
	}
}

func TestABuildIsWaitedFor(t *testing.T) {
	s := start(t)
	p, v := s.deploy("p", spec("f"))
	l := &line{system: s, project: p}
	l.join(1, "f", nil)
	_, err := s.store.UpdateVersion(t.Context(), p, v.ID, func(v *multinode.Version) error {
		v.State = multinode.VersionPreparing
		return nil
	})
	s.must(err)
	l.want(0, "its environment is being built")
}

const stuck = "f may be stuck on itself"

func TestAFunctionThatIsStuckOnItselfIsNamed(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"), spec("g"))
	l := &line{system: s, project: p}
	l.join(2, "f", nil)
	last := l.join(1, "f", nil)
	notStuck := func(why string) {
		t.Helper()
		if reason := l.reason(last); strings.Contains(reason, stuck) || reason == "" {
			t.Errorf("%s: %q", why, reason)
		}
	}
	first := l.run(l.keys[0])
	child := l.join(1, "f", &l.keys[0])
	notStuck("a slot is free")
	second := l.run(l.keys[1])
	notStuck("one of two waits for a child")
	// Through another function: its child runs, the grandchild is in line.
	between := l.join(1, "g", &l.keys[1])
	l.run(l.keys[between])
	notStuck("the child has no child of its own")
	grandchild := l.join(1, "f", &l.keys[between])
	l.want(child, "in line") // which makes sure of the record, for the others
	l.want(grandchild, stuck)
	l.want(last, stuck)
	l.want(last, "in line for one of 2 slots")
	l.want(child, stuck)
	l.want(grandchild, "raise max_concurrency by an upgrade, or have it call a different function")

	// A cancelled grandchild is waited for no more, and neither is any for which
	// there is no slot but the parent's own.
	l.put(l.paths[grandchild]+"/cancel").is(http.StatusOK, nil)
	notStuck("the grandchild was cancelled")
	grandchild = l.join(1, "f", &l.keys[between])
	l.want(grandchild, stuck)
	l.end(second, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	notStuck("a slot is free again")
	l.end(first, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	notStuck("all slots are free")
}

// Children that have ended do not hide one that waits, nor do they cost without
// end.
func TestManyChildrenOfAStuckFunction(t *testing.T) {
	s := start(t)
	f := spec("f")
	f.MaxConcurrency = 1
	p, _ := s.deploy("p", f)
	l := &line{system: s, project: p}
	l.join(1, "f", nil)
	l.run(l.keys[0])
	for i := range 20 {
		l.join(1, "f", &l.keys[0])
		l.put(l.paths[i+1]+"/cancel").is(http.StatusOK, nil)
	}
	last := l.join(2, "f", &l.keys[0]) + 1
	l.want(last, stuck)
	l.want(last, "behind 1 other in line for one of 1 slot,")
}
