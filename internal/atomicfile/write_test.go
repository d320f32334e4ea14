package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"multinode/internal/atomicfile"
)

func TestWriteReplacesTheFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, text := range []string{"first, which is longer", "second"} {
		if err := atomicfile.Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("the file holds %q, %v", got, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode: %v, %v", info, err)
	}
	// A folder stands where the file is to go: nothing is left behind.
	if err := atomicfile.Write(dir, []byte("x")); err == nil {
		t.Error("a folder was replaced")
	}
	for _, where := range []string{dir, filepath.Dir(dir)} {
		if left, err := filepath.Glob(filepath.Join(where, "*.*[0-9]")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}
