package gateway_test

import (
	"maps"
	"net/http"
	"testing"

	"multinode"
	"multinode/wire"
)

// An invocation's children are counted by status, and the newest are shown,
// whatever functions they are of; grandchildren are not among them.
func TestChildrenOfAnInvocation(t *testing.T) {
	s := start(t)
	p, v := s.deploy("p", spec("f"), spec("g"))
	l := &line{system: s, project: p}
	l.join(1, "f", nil)
	parent := &l.keys[0]
	children := func(query string) *wire.Children {
		t.Helper()
		var info wire.InvocationInfo
		s.get(l.paths[0]+query).is(http.StatusOK, &info)
		return info.Children
	}
	if c := children(""); c != nil {
		t.Errorf("%+v was not asked for", c)
	}
	if c := children("?children=5"); c == nil || !c.Complete || len(c.Counts)+len(c.Newest) > 0 {
		t.Errorf("a childless one has %+v", c)
	}

	l.join(1, "f", parent)
	first := l.join(3, "g", parent)
	l.join(2, "f", &l.keys[first])
	// At once, also while the records are still being made.
	c := children("?children=2")
	if c == nil || !c.Complete || !maps.Equal(c.Counts, map[wire.Status]int{wire.StatusPending: 4}) || len(c.Newest) != 2 {
		t.Fatalf("it has %+v", c)
	}
	s.put(l.paths[first]+"/cancel").is(http.StatusOK, nil)
	x := s.run(l.keys[first+1])
	s.end(x, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	revision, err := s.store.RecordsRevision(t.Context())
	s.must(err)
	s.must(s.index.WaitFor(t.Context(), revision))

	want := map[wire.Status]int{wire.StatusPending: 2, wire.StatusCancelled: 1, wire.StatusSucceeded: 1}
	if c = children("?children=0"); c == nil || !maps.Equal(c.Counts, want) || len(c.Newest) != 0 {
		t.Errorf("it has %+v", c)
	}
	// A long-poll has them as well.
	if c = children("?children=50&wait=0.01"); c == nil || !maps.Equal(c.Counts, want) || len(c.Newest) != 4 {
		t.Fatalf("it has %+v", c)
	}
	if n := c.Newest[0]; n.InvocationID != l.keys[first+2].ID || n.FunctionName != "g" || n.VersionID != v.ID || n.Status != wire.StatusPending {
		t.Errorf("the newest is %+v", n)
	}
	if n := c.Newest[3]; n.FunctionName != "f" {
		t.Errorf("the oldest is %+v", n)
	}
	for query, kind := range map[string]string{"51": "value_error.number.not_le", "-1": "value_error.number.not_ge", "x": "type_error.integer"} {
		s.get(l.paths[0]+"?children="+query).violates(`["query","children"]`, kind)
	}
}
