package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPythonVersion(t *testing.T) {
	if got, err := pythonVersion(t.TempDir()); got != nil || err != nil {
		t.Errorf("without the file: %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"3.12\n": "3.12", "# mine\n\n3.9.18\n": "3.9", "cpython-3.11.2": "3.11", "my-environment\n": "", "": "",
		"2.7": "error", "3.12-dev": "error", "3": "error",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, pythonFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := pythonVersion(dir)
		switch {
		case want == "error":
			if err == nil {
				t.Errorf("%q is taken as %v", text, got)
			}
		case err != nil, got == nil && want != "", got != nil && *got != want:
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}
