package gateway_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"multinode"
	"multinode/gateway"
	"multinode/wire"
)

// published runs a script of testdata with the published client, which finds the
// gateway by its environment.
func (s *system) published(script string, lines []any, args ...string) {
	s.t.Helper()
	var input bytes.Buffer
	for _, l := range lines {
		s.must(json.NewEncoder(&input).Encode(l))
	}
	command := exec.CommandContext(s.t.Context(), gateway.PublishedClient(s.t), append([]string{filepath.Join("testdata", script)}, args...)...)
	command.Env = append(os.Environ(), "MULTINODE_API_URL="+s.url, "MULTINODE_API_KEY="+s.key)
	command.Stdin = &input
	if out, err := command.CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
}

// The published client, as it is, talks to a real gateway: as an application,
// and as a worker.
func TestThePublishedClientTalksToTheGateway(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p/ü", spec("f"))
	s.published("talk.py", nil, "applications")
	p.Name = "p%2F%C3%BC"
	path, k := s.invoke(p, "f", "[[1], {}]")
	k.Project = "p/ü"
	_, _, err := s.store.Record(t.Context(), k)
	s.must(err)
	x := k.Execution(multinode.NewID(multinode.ExecutionPrefix))
	s.apply(k, multinode.LaunchIntended{Execution: x.ID})
	s.as(s.store.WorkerKey(x)).published("talk.py", nil, "worker", k.ID, x.ID)
	if record := s.settle(x); record.Status != multinode.Succeeded {
		t.Errorf("%s became %s", path, record.Status)
	}
	s.published("talk.py", nil, "last", k.ID, x.ID)
}

// Every case of the projection, as the published client gets it from a gateway.
func TestThePublishedClientSeesEveryStatus(t *testing.T) {
	s := start(t)
	functions := map[int]multinode.FunctionSpec{}
	for _, retries := range []int{0, 1, 5} {
		f := spec("f" + strconv.Itoa(retries))
		f.MaxRetries, f.Timeout = retries, 10*time.Second
		functions[retries] = f
	}
	p, _ := s.deploy("p", functions[0], functions[1], functions[5])
	var asked []any
	for i := range gateway.Cases(time.Time{}, "") {
		id := multinode.NewID(multinode.ExecutionPrefix)
		_, k := s.invoke(p, functions[gateway.Cases(time.Time{}, "")[i].Retries].Name, "[[], {}]")
		record, _, err := s.store.Record(t.Context(), k)
		s.must(err)
		c := gateway.Cases(record.CreatedAt, id)[i]
		for _, e := range c.Events {
			if ended, ok := e.(multinode.ExecutionEnded); ok {
				o := multinode.Outcome{Kind: ended.Outcome, Error: "error"}
				if o.Kind == multinode.OutcomeSucceeded {
					o = multinode.Outcome{Kind: o.Kind, Output: []byte(`"output"`)}
				}
				_, _, err := s.store.PutOutcome(t.Context(), k.Execution(id), o)
				s.must(err)
			}
			s.apply(k, e)
		}
		asked = append(asked, map[string]string{"function": k.Function, "invocation": k.ID, "status": c.Status})
	}
	s.published("statuses.py", asked)
}

// The published client has an error of its own for each of the contract's, and
// none besides.
func TestThePublishedClientKnowsEveryError(t *testing.T) {
	s := start(t)
	var errs []any
	for _, e := range wire.Errors {
		if e != wire.NotAuthenticated {
			errs = append(errs, map[string]any{"name": e.Name, "status": e.Status, "detail": e.Detail})
		}
	}
	s.published("resolve.py", errs)
}
