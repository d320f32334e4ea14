package build_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode/dispatcher/build"
)

// TestRequirements installs a package from PyPI and shares it between versions.
func TestRequirements(t *testing.T) {
	b := builder(t)
	main := "import iniconfig\n" + simple
	one := source(t, map[string]string{"main.py": main, "requirements.txt": "# comment\niniconfig\n"})
	two := source(t, map[string]string{"main.py": main + "# other\n", "requirements.txt": "\n  iniconfig   # why\r\n"})
	// Prepared side by side: one makes the environment, both hear of it.
	var group sync.WaitGroup
	said := make([]transcript, 2)
	for i, s := range []build.Source{one, two} {
		group.Go(func() {
			if _, err := b.Prepare(t.Context(), s, said[i].tell); err != nil {
				t.Errorf("%v\n%s", err, said[i].String())
			}
		})
	}
	group.Wait()
	for i := range said {
		text := said[i].String()
		if strings.Count(text, "Making a Python") > 1 || !strings.Contains(text, "iniconfig") && !strings.Contains(text, "same requirements") {
			t.Errorf("progress %d:\n%s", i, text)
		}
	}
	first, err := b.Locate(t.Context(), one.Digest, noBundle)
	must(t, err)
	second, err := b.Locate(t.Context(), two.Digest, noBundle)
	must(t, err)
	if first.Python != second.Python || first.ProjectDir == second.ProjectDir {
		t.Errorf("%+v and %+v", first, second)
	}
}

func TestUnknownPackage(t *testing.T) {
	s := source(t, map[string]string{"main.py": simple, "requirements.txt": "multinode-no-such-package-exists==1.0\n"})
	var said transcript
	_, err := builder(t).Prepare(t.Context(), s, said.tell)
	var failure *build.Failure
	if !errors.As(err, &failure) {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if !strings.Contains(failure.Detail, "No matching distribution found for multinode-no-such-package-exists") {
		t.Errorf("detail:\n%s", failure.Detail)
	}
	if !strings.Contains(said.String(), "multinode-no-such-package-exists") {
		t.Errorf("pip's lines are not in the progress:\n%s", said.String())
	}
	if left, err := filepath.Glob(filepath.Join(environments, "*", "pyvenv.cfg")); err != nil {
		t.Error(err)
	} else {
		for _, cfg := range left {
			if _, err := os.Stat(filepath.Join(filepath.Dir(cfg), "environment.json")); err != nil {
				t.Errorf("a ruin was left: %s", cfg)
			}
		}
	}
}

// TestPythonWithoutItsPip has the environment get a pip of its own.
func TestPythonWithoutItsPip(t *testing.T) {
	b := builder(t, func(o *build.Options) { o.Environments = t.TempDir() })
	b.ForgetPip()
	if _, err := b.Prepare(t.Context(), source(t, map[string]string{"main.py": simple}), nil); err != nil {
		t.Fatal(err)
	}
}

// TestLocalRequirement installs a package that lies in the project itself.
func TestLocalRequirement(t *testing.T) {
	var wheel bytes.Buffer
	w := zip.NewWriter(&wheel)
	for name, content := range map[string]string{
		"tiny.py":                     "ANSWER = 42\n",
		"tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
		"tiny-1.0.dist-info/WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		"tiny-1.0.dist-info/RECORD":   "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n",
	} {
		to, err := w.Create(name)
		must(t, err)
		_, err = io.WriteString(to, content)
		must(t, err)
	}
	must(t, w.Close())
	files := map[string]string{
		"main.py": "import tiny\nassert tiny.ANSWER == 42\n" + simple, "requirements.txt": "-r requirements/base.txt\n",
		"requirements/base.txt": "wheels/tiny-1.0-py3-none-any.whl\n", "wheels/tiny-1.0-py3-none-any.whl": wheel.String(),
	}
	if _, err := builder(t).Prepare(t.Context(), source(t, files), nil); err != nil {
		t.Error(err)
	}
}

// TestInterruptedBuild cancels a build that installs, then has two builders, as of
// two processes, make the same environment in the same folder.
func TestInterruptedBuild(t *testing.T) {
	shared := t.TempDir()
	inShared := func(o *build.Options) { o.Environments = shared }
	s := source(t, map[string]string{"main.py": simple})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := builder(t, inShared).Prepare(ctx, s, func(line string) {
		if strings.Contains(line, "Processing") { // pip has begun
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	said := make([]transcript, 2)
	var group sync.WaitGroup
	for i := range said {
		b := builder(t, inShared)
		group.Go(func() {
			if _, err := b.Prepare(t.Context(), s, said[i].tell); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := strings.Count(said[0].String()+said[1].String(), "Making a Python"); n != 1 {
		t.Errorf("made %d times:\n%s\n\n%s", n, said[0].String(), said[1].String())
	}
}

func TestInstallTimeLimit(t *testing.T) {
	b := builder(t, func(o *build.Options) { o.Environments, o.InstallTimeout = t.TempDir(), time.Millisecond })
	_, err := b.Prepare(t.Context(), source(t, map[string]string{"main.py": simple}), nil)
	var failure *build.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Detail, "longer than 1ms") {
		t.Error(err)
	}
}
