package python_test

import (
	"os"
	"os/exec"
	"testing"

	"multinode/internal/pythontest"
)

// The Python tests run as part of `go test ./...`, in an environment of their
// own, so that one command tests everything.
func TestPythonPackage(t *testing.T) {
	requirements := append([]string{"pytest>=8", "pytest-asyncio>=0.24"}, pythontest.Requirements...)
	cmd := exec.CommandContext(t.Context(), pythontest.With(t, requirements...), "-m", "pytest", "-q", "-p", "no:cacheprovider")
	cmd.Dir = pythontest.PackageDir(t)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+cmd.Dir, "PYTHONDONTWRITEBYTECODE=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("pytest: %v", err)
	}
}
