package bundle_test

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
	"testing/iotest"

	"multinode/bundle"
)

// archive makes a gzipped tar; the bodies of files are their names.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed := gzip.NewWriter(&out)
	w := tar.NewWriter(compressed)
	for _, h := range headers {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, h.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func file(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
func dir(name string) tar.Header  { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
func symlink(name, target string) tar.Header {
	return tar.Header{Name: name, Linkname: target, Typeflag: tar.TypeSymlink}
}

func TestUnpackRefuses(t *testing.T) {
	good := archive(t, file("main.py"))
	for name, content := range map[string][]byte{
		"absolute path":        archive(t, file("/etc/x")),
		"path up":              archive(t, file("../x")),
		"path up inside":       archive(t, file("a/../../x")),
		"dot":                  archive(t, file("./x")),
		"empty name":           archive(t, tar.Header{Name: "", Typeflag: tar.TypeReg}),
		"the folder itself":    archive(t, dir("./")),
		"long path":            archive(t, file(strings.Repeat("a/", 4000)+"x")),
		"long name":            archive(t, file(strings.Repeat("a", 300))),
		"twice":                archive(t, file("x"), file("x")),
		"file, then folder":    archive(t, file("x"), file("x/y")),
		"folder, then file":    archive(t, file("x/y"), file("x")),
		"link, then folder":    archive(t, symlink("x", "y"), dir("x/")),
		"file through link":    archive(t, dir("d/"), symlink("x", "d"), file("x/y")),
		"link through link":    archive(t, dir("a/"), dir("a/b/"), symlink("a/b/up", "../.."), symlink("a/b/up/out", "../../x")),
		"absolute link":        archive(t, symlink("x", "/etc/passwd")),
		"link up":              archive(t, symlink("x", "../y")),
		"link up, deep":        archive(t, symlink("a/x", "../../y")),
		"link in disguise":     archive(t, symlink("d", "."), symlink("x", "d/d/../../..")),
		"link to nothing":      archive(t, symlink("x", "")),
		"hard link":            archive(t, file("x"), tar.Header{Name: "y", Linkname: "x", Typeflag: tar.TypeLink}),
		"device":               archive(t, tar.Header{Name: "y", Typeflag: tar.TypeChar}),
		"pipe":                 archive(t, tar.Header{Name: "y", Typeflag: tar.TypeFifo}),
		"no gzip":              []byte("hello"),
		"empty":                {},
		"cut off":              good[:len(good)-10],
		"something after it":   append(good[:len(good):len(good)], "tail"...),
		"gzip of something":    gzipped(t, strings.NewReader(strings.Repeat("x", 1000))),
		"checksum of the gzip": append(good[:len(good)-8:len(good)-8], make([]byte, 8)...),
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			err := bundle.Unpack(bytes.NewReader(content), filepath.Join(parent, "inner", "out"))
			if !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("without a parent: %v", err)
			}
			must(t, os.Mkdir(filepath.Join(parent, "inner"), 0o755))
			if err := bundle.Unpack(bytes.NewReader(content), filepath.Join(parent, "inner", "out")); !errors.Is(err, bundle.ErrMalformed) {
				t.Errorf("%v", err)
			}
			onlyInner(t, parent)
		})
	}
}

// onlyInner checks that nothing was left in parent but its folder "inner".
func onlyInner(t *testing.T, parent string) {
	t.Helper()
	must(t, filepath.WalkDir(parent, func(at string, _ fs.DirEntry, err error) error {
		if at != parent && at != filepath.Join(parent, "inner") {
			t.Errorf("left %s", at)
		}
		return err
	}))
}

func gzipped(t testing.TB, r io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.Copy(w, r); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackIsAtomic(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "out")
	must(t, os.Mkdir(out, 0o755))
	if err := bundle.Unpack(bytes.NewReader(archive(t, file("main.py"))), out); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing folder: %v", err)
	}
	lost := errors.New("connection lost")
	err := bundle.Unpack(io.MultiReader(bytes.NewReader(archive(t, file("main.py"))[:20]), iotest.ErrReader(lost)), filepath.Join(parent, "two"))
	if !errors.Is(err, lost) || errors.Is(err, bundle.ErrMalformed) {
		t.Errorf("a broken connection: %v", err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, file("main.py"), dir("a/"), symlink("a/b", "../main.py"), file("a/c")))
	f.Add(archive(f, symlink("d", "."), symlink("x", "d/..")))
	f.Add([]byte("hello"))
	f.Fuzz(func(t *testing.T, content []byte) {
		// Most random bytes are no gzip stream: they are tried as what is in one, too.
		for _, content := range [][]byte{content, gzipped(t, bytes.NewReader(content))} {
			parent := t.TempDir()
			must(t, os.Mkdir(filepath.Join(parent, "inner"), 0o755))
			out := filepath.Join(parent, "inner", "out")
			err := bundle.Unpack(bytes.NewReader(content), out)
			if err != nil && !errors.Is(err, bundle.ErrMalformed) && !errors.Is(err, bundle.ErrTooLarge) {
				t.Fatal(err)
			}
			if err != nil {
				onlyInner(t, parent)
				continue
			}
			must(t, filepath.WalkDir(out, func(at string, _ fs.DirEntry, err error) error {
				if real, linkErr := filepath.EvalSymlinks(at); linkErr == nil && real != out && !strings.HasPrefix(real, out+"/") {
					t.Errorf("%s leads to %s", at, real)
				}
				return err
			}))
		}
	})
}
