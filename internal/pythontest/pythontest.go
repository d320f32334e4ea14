// Package pythontest gives tests a Python interpreter that has what package
// multinode and its workers need. Environments are made once per user and kept in
// the user's cache folder, named after what is installed in them.
package pythontest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Requirements are what Interpreter installs: what package multinode depends on,
// and numpy, whose values travel in their own way.
var Requirements = []string{"jsonpickle>=3.0.2,<6", "httpx>=0.25,<1", "numpy"}

// Interpreter returns the path of an interpreter that has Requirements installed.
// Package multinode itself is not: add PackageDir to PYTHONPATH, as Environment
// does. The test fails where there is no python3 or the packages cannot be had.
func Interpreter(t testing.TB) string {
	t.Helper()
	return With(t, Requirements...)
}

// With returns an interpreter that has exactly the given requirements installed.
func With(t testing.TB, requirements ...string) string {
	t.Helper()
	python, err := environmentOf(t, requirements)
	if err != nil {
		t.Fatal(err)
	}
	return python
}

// WithDownloads is With for what only some tests need: where the requirements
// cannot be had, for want of a network, the test is skipped. It fails all the
// same where the environment variable CI is set.
func WithDownloads(t testing.TB, requirements ...string) string {
	t.Helper()
	python, err := environmentOf(t, requirements)
	if err != nil {
		MustOnCI(t, err.Error())
	}
	return python
}

// MustOnCI skips a test that this machine cannot run, and fails it where the
// environment variable CI is set: there everything is to be run.
func MustOnCI(t testing.TB, reason string) {
	t.Helper()
	if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

func environmentOf(t testing.TB, requirements []string) (python string, err error) {
	t.Helper()
	base, version := basePython(t)
	sum := sha256.Sum256([]byte(strings.Join(append([]string{base, version}, requirements...), "\n")))
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("find the user's cache folder: %v", err)
	}
	root := filepath.Join(cache, "multinode-tests")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "python-"+hex.EncodeToString(sum[:8]))
	python = filepath.Join(dir, "bin", "python")

	// Test binaries run side by side; one makes the environment, the others wait.
	defer lock(t, dir+".lock")()
	ready := filepath.Join(dir, "ready")
	if _, err := os.Stat(ready); err == nil {
		return python, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := run(t, base, "-m", "venv", dir); err != nil {
		t.Fatal(err)
	}
	if len(requirements) > 0 {
		err := run(t, python, append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check"}, requirements...)...)
		if err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(ready, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return python, nil
}

// PackageDir returns the folder to import package multinode from.
func PackageDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "python")
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("the test does not run within the module")
		}
		dir = parent
	}
}

// Environment returns a small environment in which an interpreter finds package
// multinode, and nothing of the machine's own Python settings.
func Environment(t testing.TB) []string {
	t.Helper()
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LANG=C.UTF-8",
		"PYTHONPATH=" + PackageDir(t), "PYTHONDONTWRITEBYTECODE=1",
	}
}

// basePython returns the machine's interpreter and its version.
func basePython(t testing.TB) (path, version string) {
	t.Helper()
	const script = "import sys; print(sys.executable); print(sys.version)"
	out, err := exec.CommandContext(t.Context(), "python3", "-c", script).Output()
	if err != nil {
		t.Fatalf("python3 is needed for this test (3.9 or newer, on PATH): %v", err)
	}
	path, version, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return path, version
}

func run(t testing.TB, name string, args ...string) error {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// lock waits until no other process holds the file's lock.
func lock(t testing.TB, path string) (unlock func()) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		t.Fatal(fmt.Errorf("lock %s: %w", path, err))
	}
	return func() { _ = file.Close() }
}
