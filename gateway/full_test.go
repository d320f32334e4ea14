package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
	"multinode/wire"
)

// A store that is full refuses what is new, says when to come again, and has room
// for bringing to its end what it took before.
func TestAFullStore(t *testing.T) {
	t.Parallel()
	options := embeddedtest.Options(t)
	options.MaxStore = 8 << 20
	s := startOn(t, embeddedtest.StartWith(t, options))
	p, _ := s.deploy("p", spec("f"))
	path, first := s.invoke(p, "f", `[[1], {}]`)
	body := wire.InvocationDefinition{Input: `[["` + strings.Repeat("x", 200_000) + `"], {}]`}
	starts := functionPath("p", "latest", "f") + "/invocations"

	accepted := 0
	refused := s.do(http.MethodPost, starts, body)
	for ; refused.status == http.StatusOK; refused = s.do(http.MethodPost, starts, body) {
		if accepted++; accepted > 100 {
			t.Fatal("the store takes more than it may hold")
		}
	}
	refused.failsWith(http.StatusServiceUnavailable, "The store is full: it takes nothing new until space is freed on its disk")
	if refused.header.Get("Retry-After") == "" || accepted == 0 {
		t.Errorf("after %d invocations: Retry-After %q", accepted, refused.header.Get("Retry-After"))
	}

	var info wire.InvocationInfo
	k := s.run(first)
	s.end(k, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("2")})
	s.get(path).is(http.StatusOK, &info)
	if info.Status != wire.Status(multinode.Succeeded) || info.Output == nil || *info.Output != "2" {
		t.Errorf("what was accepted before ended as %+v", info)
	}
	stored, err := s.store.Request(t.Context(), first)
	s.must(err)
	if string(stored.Input) != `[[1], {}]` {
		t.Errorf("the first input is %q", stored.Input)
	}
	if _, err := s.store.Accept(t.Context(), streams.Request{Key: first}); err == nil {
		t.Error("a full store took a request beside the gateway")
	}
}
