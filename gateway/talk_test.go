package gateway_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"multinode"
	"multinode/gateway"
)

// The published client, as it is, talks to a real gateway: as an application,
// and as a worker.
func TestThePublishedClientTalksToTheGateway(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p/ü", spec("f"))
	python := gateway.PublishedClient(t)
	talk := func(key string, args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("testdata", "talk.py")}, args...)...)
		command.Env = append(os.Environ(), "MULTINODE_API_URL="+s.url, "MULTINODE_API_KEY="+key)
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	talk(adminKey)
	p.Name = "p%2F%C3%BC"
	path, k := s.invoke(p, "f", "[[1], {}]")
	k.Project = "p/ü"
	_, _, err := s.store.Record(t.Context(), k)
	s.must(err)
	x := k.Execution(multinode.NewID(multinode.ExecutionPrefix))
	s.apply(k, multinode.LaunchIntended{Execution: x.ID})
	talk(s.store.WorkerKey(x), k.ID, x.ID)
	if record := s.settle(x); record.Status != multinode.Succeeded {
		t.Errorf("%s became %s", path, record.Status)
	}
}
