package bundle_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode/bundle"
)

// project makes a folder with these files; a value that begins with "-> " is a
// symbolic link.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		at := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		if target, ok := strings.CutPrefix(files[name], "-> "); ok {
			must(t, os.Symlink(target, at))
			continue
		}
		must(t, os.WriteFile(at, []byte(files[name]), 0o644))
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, dir string) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Pack(dir)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

func read(t *testing.T, b *bundle.Bundle) []byte {
	t.Helper()
	r, err := b.Open()
	must(t, err)
	defer r.Close()
	content, err := io.ReadAll(r)
	must(t, err)
	return content
}

func TestPackAndUnpack(t *testing.T) {
	dir := project(t, map[string]string{
		"main.py": "print('hi')", "pkg/__init__.py": "", "pkg/deep/data.bin": "\x00\x01", "tool.sh": "#!/bin/sh",
		"requirements.txt": "numpy\n", "latest": "-> pkg/deep", "pkg/up.py": "-> ../main.py", "naïve ☃.txt": "x",
		".env": "KEY=secret-value\n",
	})
	must(t, os.Chmod(filepath.Join(dir, "tool.sh"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "empty"), 0o700))
	b := pack(t, dir)
	want := []string{"latest", "main.py", "naïve ☃.txt", "pkg/__init__.py", "pkg/deep/data.bin", "pkg/up.py", "requirements.txt", "tool.sh"}
	if !slices.Equal(b.Files, want) {
		t.Errorf("files: %q, want %q", b.Files, want)
	}
	if !maps.Equal(b.Environment, map[string]string{"KEY": "secret-value"}) {
		t.Errorf("environment: %v", b.Environment)
	}
	content := read(t, b)
	if int64(len(content)) != b.Size {
		t.Errorf("size %d, read %d", b.Size, len(content))
	}
	out := filepath.Join(t.TempDir(), "out")
	must(t, bundle.Unpack(bytes.NewReader(content), out))
	for _, name := range want {
		before, err := os.ReadFile(filepath.Join(dir, name))
		if name == "latest" {
			continue
		}
		must(t, err)
		after, err := os.ReadFile(filepath.Join(out, name))
		must(t, err)
		if !bytes.Equal(before, after) {
			t.Errorf("%s changed", name)
		}
	}
	info, err := os.Stat(filepath.Join(out, "tool.sh"))
	must(t, err)
	if info.Mode()&0o100 == 0 {
		t.Error("the execute bit is lost")
	}
	if target, err := os.Readlink(filepath.Join(out, "latest")); err != nil || target != "pkg/deep" {
		t.Errorf("link: %q, %v", target, err)
	}
	if _, err := os.Stat(filepath.Join(out, "empty")); err != nil {
		t.Error("the empty folder is lost")
	}
	if _, err := os.Stat(filepath.Join(out, ".env")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(".env is in the bundle")
	}
}

func TestSameContentSameDigest(t *testing.T) {
	files := map[string]string{"main.py": "x", "a/b": "y", "a.txt": "z", "a/link": "-> b"}
	one, two := project(t, files), project(t, files)
	must(t, os.Chtimes(filepath.Join(two, "main.py"), time.Unix(1, 0), time.Unix(2, 0)))
	must(t, os.Chmod(filepath.Join(two, "a.txt"), 0o600))
	must(t, os.WriteFile(filepath.Join(two, ".env"), []byte("A=1"), 0o600))
	must(t, os.Remove(filepath.Join(two, "a/link")))
	must(t, os.Symlink(filepath.Join(two, "a", "b"), filepath.Join(two, "a", "link")))
	first, second := pack(t, one), pack(t, two)
	if first.Digest != second.Digest || len(first.Digest) != 64 {
		t.Errorf("digests %s and %s", first.Digest, second.Digest)
	}
	if !bytes.Equal(read(t, first), read(t, second)) {
		t.Error("other bytes")
	}
	must(t, os.Chmod(filepath.Join(two, "a.txt"), 0o700))
	if third := pack(t, two); third.Digest == first.Digest {
		t.Error("the execute bit does not count")
	}
}

func TestLeftOut(t *testing.T) {
	dir := project(t, map[string]string{
		"main.py": "", ".git/config": "", "__pycache__/main.pyc": "", "old.pyc": "", "sub/__pycache__/x": "", ".venv/x": "",
		"myenv/pyvenv.cfg": "", "myenv/bin/python": "-> /usr/bin/python3", ".env": "A=1", "sub/.env": "B=2",
		".gitignore": "*.log\n/build/\n!keep.log\n", "a.log": "", "keep.log": "", "sub/b.log": "", "build/x": "", "sub/build/y": "",
		"sub/.gitignore": "!b.log\nlocal.txt\n", "sub/local.txt": "", "local.txt": "",
		".multinodeignore": "big.bin\n!build/\n!.env\n!.git\n", "big.bin": "", "sub/big.bin": "",
	})
	want := []string{".gitignore", ".multinodeignore", "build/x", "keep.log", "local.txt", "main.py", "sub/.gitignore", "sub/b.log", "sub/build/y"}
	if got := pack(t, dir).Files; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestOuterGitignore(t *testing.T) {
	dir := project(t, map[string]string{
		".git/HEAD": "", ".gitignore": "*.csv\n/jobs/tasks/data\n/other\n", "jobs/.gitignore": "!keep.csv\n",
		"jobs/tasks/main.py": "", "jobs/tasks/a.csv": "", "jobs/tasks/keep.csv": "", "jobs/tasks/data/x": "", "jobs/tasks/other": "",
	})
	if got, want := pack(t, filepath.Join(dir, "jobs", "tasks")).Files, []string{"keep.csv", "main.py", "other"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPackRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		is    error
		says  []string
	}{
		"no main":        {map[string]string{"Main.py": ""}, bundle.ErrNoMain, []string{"main.py", "Multinode()"}},
		"main a folder":  {map[string]string{"main.py/x": ""}, bundle.ErrNoMain, nil},
		"main ignored":   {map[string]string{"main.py": "", ".gitignore": "\n*.py\n"}, bundle.ErrNoMain, []string{".gitignore line 2", "!main.py"}},
		"link out":       {map[string]string{"main.py": "", "x": "-> /etc/passwd"}, nil, []string{"x", "/etc/passwd", "out of the project"}},
		"link up":        {map[string]string{"main.py": "", "sub/x": "-> ../../gone"}, nil, []string{"sub/x", "out of the project"}},
		"link loop":      {map[string]string{"main.py": "", "x": "-> x"}, nil, []string{"the link x"}},
		"bad .env":       {map[string]string{"main.py": "", ".env": "A=1\n\nnonsense\n"}, nil, []string{".env line 3"}},
		"reserved names": {map[string]string{"main.py": "", ".env": "MULTINODE_API_KEY=hunter2\n"}, nil, []string{".env line 1", "MULTINODE_"}},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := bundle.Pack(project(t, test.files))
			if err == nil {
				t.Fatal("packed: ", errors.Join(b.Close()))
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q tells a value", err)
			}
		})
	}
}

func TestPackWithoutFolder(t *testing.T) {
	if _, err := bundle.Pack(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	dir := project(t, map[string]string{"main.py": ""})
	if _, err := bundle.Pack(filepath.Join(dir, "main.py")); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("%v", err)
	}
}

func TestPackTooLarge(t *testing.T) {
	dir := project(t, map[string]string{"main.py": "", "small": "x"})
	for name, bytes := range map[string]int64{"huge.bin": bundle.MaxUnpacked + 1, "sub/second.bin": 5 << 20} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
		must(t, os.Truncate(filepath.Join(dir, name), bytes)) // sparse: takes no disk
	}
	_, err := bundle.Pack(dir)
	if !errors.Is(err, bundle.ErrTooLarge) {
		t.Fatal(err)
	}
	if !strings.Contains(err.Error(), "huge.bin (1.0 GiB), sub/second.bin (5.0 MiB)") {
		t.Errorf("%v does not name the largest", err)
	}
}

func TestPackTooDeep(t *testing.T) {
	deep := strings.Repeat("a/", bundle.MaxDepth-1) + "x"
	pack(t, project(t, map[string]string{"main.py": "", deep: ""}))
	if _, err := bundle.Pack(project(t, map[string]string{"main.py": "", "a/" + deep: ""})); !errors.Is(err, bundle.ErrTooLarge) {
		t.Error(err)
	}
}

func TestPackPassesOverSpecialFiles(t *testing.T) {
	dir := project(t, map[string]string{"main.py": ""})
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	if got := pack(t, dir).Files; !slices.Equal(got, []string{"main.py"}) {
		t.Errorf("%q", got)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	dir := project(t, map[string]string{"main.py": ""})
	t.Setenv("TMPDIR", t.TempDir())
	b, err := bundle.Pack(dir)
	must(t, err)
	must(t, b.Close())
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestArchiveForm fixes what must not change by accident: then every digest would.
func TestArchiveForm(t *testing.T) {
	b := pack(t, project(t, map[string]string{"main.py": "x", "a/b": "y"}))
	compressed, err := gzip.NewReader(bytes.NewReader(read(t, b)))
	must(t, err)
	if compressed.Name != "" || !compressed.ModTime.IsZero() {
		t.Errorf("gzip header: %+v", compressed.Header)
	}
	archive := tar.NewReader(compressed)
	var names []string
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		names = append(names, h.Name)
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" || !h.ModTime.Equal(time.Unix(0, 0)) {
			t.Errorf("%+v", h)
		}
	}
	if !slices.Equal(names, []string{"a/", "a/b", "main.py"}) {
		t.Errorf("%q", names)
	}
}
