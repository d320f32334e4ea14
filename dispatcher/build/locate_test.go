package build_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"multinode/dispatcher/build"
)

func TestRestore(t *testing.T) {
	dir := t.TempDir()
	own := func(o *build.Options) { o.Dir = dir }
	b := builder(t, own)
	s := source(t, map[string]string{"main.py": simple})
	code, err := b.Locate(t.Context(), s.Digest, s.Bundle)
	must(t, err)

	t.Run("deleted project", func(t *testing.T) {
		must(t, os.RemoveAll(filepath.Dir(code.ProjectDir)))
		again, err := b.Locate(t.Context(), s.Digest, s.Bundle)
		must(t, err)
		if again != code {
			t.Errorf("%+v, before %+v", again, code)
		}
		if _, err := os.Stat(filepath.Join(code.ProjectDir, "main.py")); err != nil {
			t.Error(err)
		}
	})
	t.Run("half deleted project", func(t *testing.T) {
		must(t, os.RemoveAll(code.ProjectDir))
		must(t, os.Remove(filepath.Join(filepath.Dir(code.ProjectDir), "ready")))
		if _, err := b.Locate(t.Context(), s.Digest, s.Bundle); err != nil {
			t.Error(err)
		}
	})
	t.Run("restart", func(t *testing.T) {
		must(t, os.Mkdir(filepath.Join(dir, "projects", ".new-ruin"), 0o755))
		again, err := builder(t, own).Locate(t.Context(), s.Digest, noBundle)
		must(t, err)
		if again != code {
			t.Errorf("%+v, before %+v", again, code)
		}
		if _, err := os.Stat(filepath.Join(dir, "projects", ".new-ruin")); err == nil {
			t.Error("the rest of a crash is still there")
		}
	})
	t.Run("deleted environment", func(t *testing.T) {
		if testing.Short() {
			t.Skip("makes an environment")
		}
		// A ruin without its marker, as a crash leaves it.
		must(t, os.Remove(filepath.Join(filepath.Dir(filepath.Dir(code.Python)), "environment.json")))
		must(t, os.Remove(code.Python))
		if _, err := b.Locate(t.Context(), s.Digest, noBundle); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(code.Python); err != nil {
			t.Error(err)
		}
	})
}

func TestBrokenBundles(t *testing.T) {
	b := builder(t)
	good := source(t, map[string]string{"main.py": simple})
	other := source(t, map[string]string{"main.py": simple + "# other\n"})
	lost := errors.New("connection lost")
	for name, test := range map[string]struct {
		source  build.Source
		failure bool
		says    string
	}{
		"no bundle":      {build.Source{Digest: good.Digest, Bundle: func() (io.ReadCloser, error) { return nil, lost }}, false, "connection lost"},
		"other content":  {build.Source{Digest: good.Digest, Bundle: other.Bundle}, false, "damaged"},
		"malformed":      {build.Source{Digest: good.Digest, Bundle: opener([]byte("hello"))}, true, "malformed"},
		"path as digest": {build.Source{Digest: "../../etc", Bundle: good.Bundle}, false, "digest"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Prepare(t.Context(), test.source, nil)
			var failure *build.Failure
			if err == nil || errors.As(err, &failure) != test.failure || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := b.Prepare(t.Context(), good, nil); err != nil {
		t.Errorf("a good one after them: %v", err)
	}
}

func TestConcurrentLocates(t *testing.T) {
	b := builder(t)
	s := source(t, map[string]string{"main.py": simple})
	var mu sync.Mutex
	fetched := 0
	fetch := func() (io.ReadCloser, error) {
		mu.Lock()
		defer mu.Unlock()
		fetched++
		return s.Bundle()
	}
	var group sync.WaitGroup
	found := make([]build.Code, 10)
	for i := range found {
		group.Go(func() {
			var err error
			if found[i], err = b.Locate(t.Context(), s.Digest, fetch); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if fetched != 1 || len(slices.Compact(found)) != 1 {
		t.Errorf("fetched %d times, found %+v", fetched, found)
	}
}
