package build_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"multinode/dispatcher/build"
)

// TestPythonWithoutVenv uses the real interpreter without the module that Debian
// packs apart.
func TestPythonWithoutVenv(t *testing.T) {
	real, err := exec.LookPath("python3")
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "sitecustomize.py"), []byte("import sys\nsys.modules['ensurepip'] = None\n"), 0o644))
	wrapper := filepath.Join(dir, "python3")
	must(t, os.WriteFile(wrapper, []byte("#!/bin/sh\nPYTHONPATH='"+dir+"' exec '"+real+"' \"$@\"\n"), 0o755))
	_, err = build.New(build.Options{Dir: t.TempDir(), Python: wrapper})
	if err == nil || !strings.Contains(err.Error(), "apt-get install python3-venv") || !strings.Contains(err.Error(), "ensurepip") {
		t.Errorf("%v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	must(t, os.WriteFile(old, []byte("#!/bin/sh\necho '{\"executable\": \"/x\", \"version\": \"3.8.1\", \"old\": true}'\n"), 0o755))
	broken := filepath.Join(dir, "broken")
	must(t, os.WriteFile(broken, []byte("#!/bin/sh\necho no library >&2; exit 1\n"), 0o755))
	for name, test := range map[string]struct {
		options build.Options
		says    string
	}{
		"no folder": {build.Options{}, "Dir"},
		"no python": {build.Options{Dir: dir, Python: "no-such-python"}, "install Python 3"},
		"old":       {build.Options{Dir: dir, Python: old}, "3.8.1; 3.9 or newer"},
		"broken":    {build.Options{Dir: dir, Python: broken}, "no library"},
	} {
		if _, err := build.New(test.options); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
