package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestUnpackingIsBounded uses lower limits than the real ones, for speed.
func TestUnpackingIsBounded(t *testing.T) {
	const limit, entries = 1 << 20, 20
	var header bytes.Buffer
	h := &tar.Header{Name: "main.py", Typeflag: tar.TypeReg, Size: limit, Mode: 0o644}
	if err := tar.NewWriter(&header).WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	many, deep := new(bytes.Buffer), new(bytes.Buffer)
	manyWriter, deepWriter := tar.NewWriter(many), tar.NewWriter(deep)
	for i := range 2*entries + 1 {
		h := &tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg, Mode: 0o644}
		if err := manyWriter.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if i < 3 { // few entries that imply many folders
			h.Name += strings.Repeat("/a", MaxDepth-1)
			if err := deepWriter.WriteHeader(h); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, content := range map[string]io.Reader{
		"large file":   io.MultiReader(&header, io.LimitReader(zeros{}, 2*limit)),
		"large tail":   io.LimitReader(zeros{}, limit+1),
		"many files":   many,
		"many folders": deep,
	} {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := io.Copy(w, content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		parent := t.TempDir()
		if err := unpack(&packed, filepath.Join(parent, "out"), limits{limit, entries}); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}
