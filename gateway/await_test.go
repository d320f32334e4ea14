package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"multinode"
	"multinode/gateway"
	"multinode/wire"
)

// poll sends a long-poll and returns where its answer will come, once the
// gateway is waiting with it.
func (s *system) poll(path string) <-chan answer {
	s.t.Helper()
	before := s.serves.Waiters()
	answers := make(chan answer, 1)
	request := s.request(http.MethodGet, path, nil)
	go func() {
		defer close(answers)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return
		}
		defer func() { _ = response.Body.Close() }()
		if body, err := io.ReadAll(response.Body); err == nil {
			answers <- answer{s.t, "GET " + path, response.StatusCode, response.Header, body}
		}
	}()
	s.eventually(func() bool { return s.serves.Waiters() > before })
	return answers
}

// eventually waits until the condition holds.
func (s *system) eventually(holds func() bool) {
	s.t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	tooLate := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-tooLate:
			s.t.Fatal("it did not come about")
		}
	}
}

func TestALongPollAnswersAtTheNextChange(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, k := s.invoke(p, "f", "1")
	var info wire.InvocationInfo
	s.get(path).is(http.StatusOK, &info)

	waiting := s.poll(path + "?wait=60&after=" + fmt.Sprint(info.Revision))
	x := s.run(k)
	if (<-waiting).is(http.StatusOK, &info); info.Revision == 0 || len(info.Executions) == 0 {
		t.Errorf("after the launch %+v", info)
	}
	// What the client knows is out of date: the answer comes at once.
	s.get(path+"?wait=60&after=1").is(http.StatusOK, &info)
	if info.Status != wire.StatusRunning {
		t.Errorf("now %s", info.Status)
	}
	current := info.Revision
	waiting = s.poll(path + "?wait=60&after=" + fmt.Sprint(current))
	// A yield changes the output, but it may come before the poll looks first.
	yield := time.NewTicker(20 * time.Millisecond)
	defer yield.Stop()
	for n, done := 0, false; !done; n++ {
		s.must(s.store.PutYield(t.Context(), x, fmt.Append(nil, n)))
		select {
		case a := <-waiting:
			a.is(http.StatusOK, &info)
			done = true
		case <-yield.C:
		}
	}
	if info.Revision != current || info.Output == nil {
		t.Errorf("after a yield %+v", info)
	}
	waiting = s.poll(path + "?wait=60&after=" + fmt.Sprint(current))
	s.end(x, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte(`"done"`)})
	if (<-waiting).is(http.StatusOK, &info); info.Status != wire.StatusSucceeded || *info.Output != `"done"` {
		t.Errorf("at the end %+v", info)
	}
	// What has ended does not change any more.
	s.get(path+"?wait=60").is(http.StatusOK, &info)
	s.get(path+"?wait=60&after="+fmt.Sprint(info.Revision)).is(http.StatusOK, &info)
}

func TestALongPollEndsWhenItsTimeIsUp(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, _ := s.invoke(p, "f", "1")
	var info wire.InvocationInfo
	s.get(path).is(http.StatusOK, &info)
	began := time.Now()
	s.get(path+"?wait=0.2&after="+fmt.Sprint(info.Revision)).is(http.StatusOK, &info)
	if waited := time.Since(began); waited < 200*time.Millisecond {
		t.Errorf("it waited for %v", waited)
	}
	s.get(path+"?wait=61").violates(`["query","wait"]`, "value_error.number.not_le")
	s.get(path+"?wait=-1").violates(`["query","wait"]`, "value_error.number.not_ge")
	s.get(path+"?wait=soon").violates(`["query","wait"]`, "type_error.float")
	s.get(path+"?after=-1").violates(`["query","after"]`, "type_error.integer")
}

func TestWaitersAreBounded(t *testing.T) {
	s := start(t, func(o *gateway.Options) { o.MaxWaiters = 1 })
	p, _ := s.deploy("p", spec("f"))
	path, _ := s.invoke(p, "f", "1")
	next[wire.InvocationInfo](t, s.events(path+"/events"), wire.EventStatus)
	a := s.get(path + "?wait=10")
	a.failsWith(http.StatusServiceUnavailable, "Too many clients wait")
	if a.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	s.get(path).is(http.StatusOK, nil)
}

func TestClosingEndsWhoeverWaits(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, _ := s.invoke(p, "f", "1")
	var info wire.InvocationInfo
	s.get(path).is(http.StatusOK, &info)
	events := s.events(path + "/events")
	next[wire.InvocationInfo](t, events, wire.EventStatus)
	waiting := s.poll(path + "?wait=60&after=" + fmt.Sprint(info.Revision))
	var v wire.VersionInfo
	s.do(http.MethodPost, "/projects/p/versions", versionDefinition("f")).is(http.StatusOK, &v)
	progress := s.events("/projects/p/deployments/" + v.VersionID + "/events")
	began := time.Now()
	s.must(s.serves.Close())
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closing took %v", took)
	}
	closes(t, events)
	closes(t, progress)
	(<-waiting).is(http.StatusOK, &info)
	s.must(<-s.served)
}
