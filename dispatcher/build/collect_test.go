package build_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"multinode/dispatcher/build"
)

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	b := builder(t, func(o *build.Options) { o.Dir, o.Environments = dir, "" })
	one := source(t, map[string]string{"main.py": simple})
	two := source(t, map[string]string{"main.py": simple + "# other\n"})
	first, err := b.Locate(t.Context(), one.Digest, one.Bundle)
	must(t, err)
	second, err := b.Locate(t.Context(), two.Digest, two.Bundle)
	must(t, err)
	if first.Python != second.Python {
		t.Fatal("two environments")
	}
	there := func(path string, want bool) {
		t.Helper()
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v", path, err == nil)
		}
	}
	must(t, b.Keep(nil)) // all too new
	there(first.ProjectDir, true)
	there(second.ProjectDir, true)

	must(t, b.KeepOlder([]string{one.Digest}, 0))
	there(first.ProjectDir, true)
	there(second.ProjectDir, false)
	there(first.Python, true)

	must(t, b.KeepOlder(nil, 0))
	there(first.ProjectDir, false)
	there(filepath.Dir(filepath.Dir(first.Python)), false)
	if left, err := os.ReadDir(filepath.Join(dir, "projects")); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestKeepSparesASharedFolder(t *testing.T) {
	b := builder(t)
	s := source(t, map[string]string{"main.py": simple})
	code, err := b.Locate(t.Context(), s.Digest, s.Bundle)
	must(t, err)
	must(t, b.KeepOlder(nil, -time.Hour))
	if _, err := os.Stat(code.Python); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(code.ProjectDir); err == nil {
		t.Error("the project is still there")
	}
}
