package gateway_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"multinode"
	"multinode/internal/pythontest"
)

// A function that was looked up after an upgrade finds by their IDs the
// invocations that were started before it.
func TestThePythonClientFindsAnIDAcrossAnUpgrade(t *testing.T) {
	s := start(t)
	p, old := s.deploy("p", spec("f"))
	_, waiting := s.invoke(p, "f", "[[], {}]")
	_, ended := s.invoke(p, "f", "[[], {}]")
	s.end(s.run(ended), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte(`"output"`)})
	_, latest := s.deploy("p", spec("f"))
	command := exec.CommandContext(t.Context(), pythontest.Interpreter(t), filepath.Join("testdata", "upgrade.py"),
		old.ID, latest.ID, waiting.ID, ended.ID)
	command.Env = append(pythontest.Environment(t), "MULTINODE_API_URL="+s.url, "MULTINODE_API_KEY="+s.key)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
