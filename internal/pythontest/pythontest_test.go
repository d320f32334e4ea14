package pythontest

import (
	"os/exec"
	"strings"
	"testing"
)

func TestInterpreterHasWhatIsNeeded(t *testing.T) {
	python := Interpreter(t)
	cmd := exec.Command(python, "-c", "import jsonpickle, httpx, numpy, multinode.errors; print('fine')")
	cmd.Env = Environment(t)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "fine" {
		t.Fatalf("%v: %s", err, out)
	}
	if again := Interpreter(t); again != python {
		t.Errorf("second call made %s, first made %s", again, python)
	}
}
