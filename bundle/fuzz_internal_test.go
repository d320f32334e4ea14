package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzIgnore: whatever is in an ignore file, every path is decided on, by a rule
// of that file or by none.
func FuzzIgnore(f *testing.F) {
	f.Add([]byte("*.pyc\n!keep.pyc\n/build/\n**/x\na/**/b\n"), "a/x/b")
	f.Add([]byte("[a-z]\n[!a]\n[[:alpha:]]\n[\\]]\n[]a]\n[z-a]\n\\"), "a")
	f.Add([]byte("a\\ \n  \n#\n\\#\n!\n/\n//"), "#")
	f.Add([]byte(strings.Repeat("**/", 60)+"a"), strings.Repeat("a/", 60)+"b")
	f.Add([]byte("[[:nope:]]\n[/]\n[^/]\n\xff"), "/")
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		if len(text) > 4<<10 || len(name) > maxPath {
			return
		}
		r := rules{level{inside: parseRules(text, "file")}}
		decided, ignored := r.ignore(name, false)
		if decided == nil && ignored {
			t.Error("ignored without a rule")
		}
		if decided != nil && (decided.line < 1 || decided.line > 1+bytes.Count(text, []byte("\n"))) {
			t.Errorf("line %d of %q", decided.line, text)
		}
	})
}

// FuzzUnpackWithinLimits: whatever a tar says, what is made lies in the folder, within the
// limits, and has no link that leads out of it; or nothing is made at all.
func FuzzUnpackWithinLimits(f *testing.F) {
	for _, headers := range [][]tar.Header{
		{{Name: "main.py", Typeflag: tar.TypeReg, Mode: 0o755}},
		{{Name: "a/b", Typeflag: tar.TypeReg}, {Name: "a", Typeflag: tar.TypeDir}, {Name: "l", Linkname: "a/b", Typeflag: tar.TypeSymlink}},
		{{Name: "../x", Typeflag: tar.TypeReg}},
		{{Name: "l", Linkname: "..", Typeflag: tar.TypeSymlink}, {Name: "l/x", Typeflag: tar.TypeReg}},
		{{Name: "h", Linkname: "/etc/passwd", Typeflag: tar.TypeLink}},
		{{Name: "d", Typeflag: tar.TypeChar}},
		{{Name: strings.Repeat("a/", 150) + "x", Typeflag: tar.TypeReg}},
	} {
		f.Add(plainTar(f, headers))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "into")
		limit := limits{size: 64 << 10, entries: 20}
		err := unpack(bytes.NewReader(compress(t, content)), dir, limit)
		beside, readErr := os.ReadDir(parent)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("refused with %v", err)
			}
			if len(beside) != 0 {
				t.Errorf("%v was left behind", beside)
			}
			return
		}
		if len(beside) != 1 {
			t.Errorf("made %v", beside)
		}
		checkUnpacked(t, dir, limit)
	})
}

func checkUnpacked(t *testing.T, dir string, limit limits) {
	entries, size := 0, int64(0)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		entries++
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			// One that leads nowhere, or to itself, does no harm.
			if to, err := filepath.EvalSymlinks(name); err == nil && to != real && !strings.HasPrefix(to, real+"/") {
				t.Errorf("%s leads to %s", name, to)
			}
		case e.Type().IsRegular():
			size += info.Size()
		case !e.IsDir():
			t.Errorf("%s is %v", name, e.Type())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if entries > 2*limit.entries+1 || size > limit.size {
		t.Errorf("made %d entries of %d bytes", entries, size)
	}
}

func plainTar(f *testing.F, headers []tar.Header) []byte {
	f.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = 2
		}
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, "hi"); err != nil {
				f.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return out.Bytes()
}

func compress(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
