package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestRedact(t *testing.T) {
	r := newRedactor(map[string]string{
		"A": "hunter2", "LONGER": "xhunter2x", "SHORT": "1", "LINES": "first line\nsecond \"line\"\n", "PATH": `c:\dir`,
	})
	for in, want := range map[string]string{
		"a hunter2!":             "a [.env value]!",
		"xhunter2x":              "[.env value]",
		"line 1":                 "line 1",
		"the first line":         "the [.env value]",
		`'first line\nsecond "l`: `'[.env value]\nsecond "l`,
		`'c:\\dir'`:              "'[.env value]'",
	} {
		if got := r.redact(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
	if err := r.redactError(fmt.Errorf("reading: %w", os.ErrNotExist)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := r.redactError(errors.New("opening hunter2")); err.Error() != "opening [.env value]" {
		t.Errorf("%v", err)
	}
	if err := r.redactError(nil); err != nil {
		t.Error(err)
	}
}

func TestRequirementsText(t *testing.T) {
	for name, test := range map[string]struct {
		files  map[string]string
		normal string
		local  bool
		hashed bool
	}{
		"none":         {map[string]string{}, "", false, false},
		"plain":        {map[string]string{"requirements.txt": "\ufeff# c\r\n\r\n numpy  ==  1.0 # why\r\nhttpx\\\n>=1\n"}, "numpy == 1.0\nhttpx>=1\n", false, false},
		"url fragment": {map[string]string{"requirements.txt": "x @ https://h/x.whl#sha256=1\n"}, "x @ https://h/x.whl#sha256=1\n", false, false},
		"nested": {
			map[string]string{"requirements.txt": "-r a/b.txt\n--constraint=c.txt\n", "a/b.txt": "-rc.txt\nx\n-r ../requirements.txt\n", "a/c.txt": "y\n", "c.txt": "z<2\n"},
			"-r a/b.txt\n-rc.txt\ny\nx\n-r ../requirements.txt\n--constraint=c.txt\nz<2\n", false, false,
		},
		"nested outside": {map[string]string{"requirements.txt": "-r ../../etc/passwd\n-r https://h/r.txt\n"}, "-r ../../etc/passwd\n-r https://h/r.txt\n", false, false},
		"editable":       {map[string]string{"requirements.txt": "-e pkg\n"}, "-e pkg\n", true, false},
		"folder":         {map[string]string{"requirements.txt": "./pkg[extra]\n"}, "./pkg[extra]\n", true, false},
		"file":           {map[string]string{"requirements.txt": "w/x.whl\n", "w/x.whl": ""}, "w/x.whl\n", true, false},
		"at":             {map[string]string{"requirements.txt": "x @ file:w/x.whl\n"}, "x @ file:w/x.whl\n", true, false},
		"find links":     {map[string]string{"requirements.txt": "--find-links=w\nx\n", "w/x.whl": ""}, "--find-links=w\nx\n", true, false},
		"hashes":         {map[string]string{"requirements.txt": "x==1 \\\n  --hash=sha256:00\n"}, "x==1 --hash=sha256:00\n", false, true},
	} {
		dir := t.TempDir()
		for name, content := range test.files {
			at := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := readRequirements(dir)
		want := requirements{present: len(test.files) > 0, normal: test.normal, local: test.local, hashed: test.hashed}
		if err != nil || got != want {
			t.Errorf("%s:\ngot  %+v, %v\nwant %+v", name, got, err, want)
		}
	}
}

func TestFlightsShare(t *testing.T) {
	var f flights[int]
	begun, goOn := make(chan struct{}), make(chan struct{})
	work := func(ctx context.Context, tell func(string)) (int, error) {
		tell("one")
		close(begun)
		<-goOn
		tell("two")
		return 7, ctx.Err()
	}
	var group sync.WaitGroup
	said := make([][]string, 3)
	for i := range said {
		if i > 0 {
			<-begun
		}
		heard := make(chan struct{})
		group.Go(func() {
			value, err := f.do(t.Context(), "key", func(line string) {
				if said[i] = append(said[i], line); len(said[i]) == 1 {
					close(heard)
				}
			}, work)
			if value != 7 || err != nil {
				t.Errorf("%d, %v", value, err)
			}
		})
		<-heard // who joins late hears what was told before, too
	}
	close(goOn)
	group.Wait()
	for i, lines := range said {
		if !slices.Equal(lines, []string{"one", "two"}) {
			t.Errorf("%d heard %q", i, lines)
		}
	}
}

// TestFlightsOutliveTheFirst has the caller that began the work go away.
func TestFlightsOutliveTheFirst(t *testing.T) {
	var f flights[int]
	first, leave := context.WithCancel(t.Context())
	begun, goOn := make(chan struct{}), make(chan struct{})
	work := func(ctx context.Context, tell func(string)) (int, error) {
		close(begun)
		select {
		case <-goOn:
			return 7, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	gone := make(chan error)
	go func() {
		_, err := f.do(first, "key", func(string) {}, work)
		gone <- err
	}()
	<-begun
	one, joined := f.join(t.Context(), "key", work)
	if !joined {
		t.Fatal("not joined")
	}
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(goOn)
	if value, err := one.wait(t.Context(), func(string) {}); value != 7 || err != nil {
		t.Errorf("%d, %v", value, err)
	}
	f.leave("key", one)
	if len(f.running) != 0 {
		t.Error("still running")
	}
}

// TestFlightsEnd has all callers go away.
func TestFlightsEnd(t *testing.T) {
	var f flights[int]
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	_, err := f.do(ctx, "key", func(string) {}, func(ctx context.Context, tell func(string)) (int, error) {
		cancel()
		<-ctx.Done()
		close(ended)
		return 0, ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ended
}

func TestCommand(t *testing.T) {
	run := func(ctx context.Context, limit time.Duration, script string) (lines []string, err error) {
		add := func(line string) { lines = append(lines, line) }
		err = command{path: "/bin/sh", args: []string{"-c", script}, dir: t.TempDir(), env: baseEnvironment(), limit: limit, stdout: add, stderr: add}.run(ctx)
		return lines, err
	}
	lines, err := run(t.Context(), time.Minute, `printf 'a\r\n10%%\r50%%\r100%%\n\377\nlast'; head -c 20000 /dev/zero | tr '\0' x >&2`)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a", "100%", "\ufffd", "last", strings.Repeat("x", maxLine)} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %.20q", want)
		}
	}
	if _, err := run(t.Context(), 50*time.Millisecond, "sleep 100 & wait"); !errors.Is(err, errTimeLimit) {
		t.Errorf("time limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(ctx, time.Minute, "true"); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if _, err := run(t.Context(), time.Minute, "exit 3"); !isExit(err) {
		t.Errorf("exit: %v", err)
	}
	if err := (command{path: "/no/such/program", limit: time.Minute}).run(t.Context()); err == nil || isExit(err) {
		t.Errorf("no program: %v", err)
	}
}

func TestTail(t *testing.T) {
	var kept tail
	for i := range 10_000 {
		kept.add(fmt.Sprint("line ", i))
	}
	text := kept.String()
	if len(text) > maxTail+10 || !strings.HasPrefix(text, "…\n") || !strings.HasSuffix(text, "line 9999") {
		t.Errorf("%d bytes: %.20q", len(text), text)
	}
}
