package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/gateway"
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

	keyed := wire.InvocationDefinition{Input: "[[2], {}]"}
	again := func() answer { return s.do(http.MethodPost, starts, keyed, wire.IdempotencyKeyHeader, "order 1") }
	var before wire.InvocationInfo
	again().is(http.StatusOK, &before)

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

	// A start that was accepted before the store was full is answered again.
	var info wire.InvocationInfo
	if again().is(http.StatusOK, &info); info.InvocationID != before.InvocationID {
		t.Errorf("the start was accepted as %s, and again as %s", before.InvocationID, info.InvocationID)
	}

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

// One function's queue has an end, so that it does not take the store from all.
func TestAFullQueue(t *testing.T) {
	s := start(t, func(o *gateway.Options) { o.MaxQueue = 3 })
	p, _ := s.deploy("p", spec("f"), spec("g"))
	starts := functionPath("p", "latest", "f") + "/invocations"
	keyed := func() answer {
		return s.do(http.MethodPost, starts, wire.InvocationDefinition{Input: "[[2], {}]"}, wire.IdempotencyKeyHeader, "order 1")
	}
	var before, info wire.InvocationInfo
	keyed().is(http.StatusOK, &before)
	_, k := s.invoke(p, "f", "[[1], {}]")
	s.invoke(p, "f", "[[1], {}]")
	s.get(starts).is(http.StatusOK, nil) // all have their records now
	refused := s.do(http.MethodPost, starts, wire.InvocationDefinition{Input: "[[1], {}]"})
	refused.failsWith(http.StatusTooManyRequests, "3 invocations of this function wait already")
	if refused.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	if keyed().is(http.StatusOK, &info); info.InvocationID != before.InvocationID {
		t.Errorf("the start was accepted as %s, and again as %s", before.InvocationID, info.InvocationID)
	}
	s.invoke(p, "g", "[[1], {}]") // another function's is not full
	s.run(k)
	revision, err := s.store.RecordsRevision(t.Context())
	s.must(err)
	s.must(s.index.WaitFor(t.Context(), revision))
	s.invoke(p, "f", "[[1], {}]")
}
