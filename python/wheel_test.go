package python_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"multinode/internal/pythontest"
	"multinode/python"
)

// wheel writes a wheel into a folder of its own and returns its path.
func wheel(t *testing.T, o python.WheelOptions) string {
	t.Helper()
	var content bytes.Buffer
	name, err := python.WriteWheel(&content, o)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, content.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// installed makes an environment that has the wheel, and what it depends on from
// the one that tests share, and returns its folder.
func installed(t *testing.T, file string) string {
	t.Helper()
	base := pythontest.Interpreter(t)
	dir := t.TempDir()
	run(t, base, "-m", "venv", "--without-pip", dir)
	packages := run(t, base, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
	into := run(t, filepath.Join(dir, "bin", "python"), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
	if err := os.WriteFile(filepath.Join(into, "shared.pth"), []byte(packages+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	// --no-index: the dependencies that the wheel names have to be satisfied already.
	run(t, filepath.Join(dir, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", file)
	return dir
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestWheelInstalls(t *testing.T) {
	dir := installed(t, wheel(t, python.WheelOptions{Version: "9.8.7"}))
	interpreter := filepath.Join(dir, "bin", "python")
	got := run(t, interpreter, "-c", `
import importlib.metadata as m, os, sys, multinode, multinode._worker, multinode._inspect
d = m.distribution("multinode")
print(d.version, d.metadata["Requires-Python"], sorted(r.split(">")[0] for r in d.requires))
print([(e.name, e.value) for e in d.entry_points])
assert os.path.realpath(multinode.__file__).startswith(os.path.realpath(sys.prefix)), multinode.__file__
assert os.path.exists(os.path.join(os.path.dirname(multinode.__file__), "py.typed"))
assert not any("__pycache__" in str(f) and "multinode/tests" in str(f) for f in d.files)
for f in d.files:
    assert f.locate().exists(), f
`)
	want := "9.8.7 >=3.9 ['httpx', 'jsonpickle']\n[('multinode', 'multinode._cli:main')]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "bin", "multinode")); err != nil {
		t.Errorf("no console script: %v", err)
	}
	run(t, interpreter, "-m", "pip", "check")
	run(t, interpreter, "-m", "pip", "uninstall", "--yes", "multinode")
	if left, _ := filepath.Glob(filepath.Join(dir, "lib", "python*", "site-packages", "multinode*")); len(left) != 0 {
		t.Errorf("the record is not complete: uninstalling left %v", left)
	}
}

func TestWheelWithBinary(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho from the program\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := wheel(t, python.WheelOptions{Version: "1.0rc1", Binary: program, Platform: "linux_" + machine(t)})
	if name := filepath.Base(file); !strings.HasPrefix(name, "multinode-1.0rc1-py3-none-linux_") {
		t.Errorf("name %s", name)
	}
	dir := installed(t, file)
	found, err := filepath.Glob(filepath.Join(dir, "lib", "python*", "site-packages", "multinode", "bin", "multinode"))
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v", found, err)
	}
	if got := run(t, found[0]); got != "from the program" {
		t.Errorf("got %q", got)
	}
}

func machine(t *testing.T) string {
	return run(t, pythontest.Interpreter(t), "-c", "import platform; print(platform.machine().lower())")
}

func TestWheelIsDeterministic(t *testing.T) {
	var one, two bytes.Buffer
	name, err := python.WriteWheel(&one, python.WheelOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := python.WriteWheel(&two, python.WheelOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two wheels differ")
	}
	if !strings.HasPrefix(name, "multinode-") || !strings.HasSuffix(name, "-py3-none-any.whl") {
		t.Errorf("name %s", name)
	}
	for _, wrong := range []string{"__pycache__", ".pyc", "tests/", "pyproject"} {
		if strings.Contains(one.String(), wrong) {
			t.Errorf("%s is in the wheel", wrong)
		}
	}
}

func TestWheelRefuses(t *testing.T) {
	for _, o := range []python.WheelOptions{
		{Version: "latest"}, {Version: "1.0/../x"}, {Binary: "x"}, {Binary: "x", Platform: "a-b"},
		{Binary: filepath.Join(t.TempDir(), "gone"), Platform: "linux_x86_64"},
	} {
		if name, err := python.WriteWheel(new(bytes.Buffer), o); err == nil {
			t.Errorf("%+v made %s", o, name)
		}
	}
}

func TestDigest(t *testing.T) {
	one, err := python.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if two, err := python.Digest(); err != nil || one != two || len(one) != 64 {
		t.Errorf("%q, %q, %v", one, two, err)
	}
}
