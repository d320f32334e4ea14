package builder_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"multinode/bundle"
	"multinode/images"
	"multinode/images/builder"
	"multinode/images/order"
	"multinode/images/registry"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// control is an order in memory.
type control struct {
	order  order.Order
	bundle []byte

	mu     sync.Mutex
	lines  []string
	report order.Report
}

func (c *control) Order(context.Context) (order.Order, error) { return c.order, nil }

func (c *control) Bundle(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(c.bundle)), nil
}

func (c *control) Progress(_ context.Context, lines []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, lines...)
	return nil
}

func (c *control) Report(_ context.Context, r order.Report) error {
	c.report = r
	return nil
}

func (c *control) said() string { return strings.Join(c.lines, "\n") }

// hub is a registry with a base in it, which counts uploads.
type hub struct {
	*httptest.Server
	host string

	mu      sync.Mutex
	uploads int
}

func newHub(t testing.TB) *hub {
	t.Helper()
	r, err := registry.New(registry.Options{Dir: t.TempDir()})
	must(t, err)
	h := &hub{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPatch {
			h.mu.Lock()
			h.uploads++
			h.mu.Unlock()
		}
		r.ServeHTTP(w, request)
	}))
	t.Cleanup(h.Close)
	h.host = h.Listener.Addr().String()
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
	must(t, err)
	h.store(t, "python:3", base)
	return h
}

func (h *hub) store(t testing.TB, reference string, image v1.Image) {
	t.Helper()
	ref, err := name.ParseReference(h.host + "/" + reference)
	must(t, err)
	must(t, remote.Write(ref, image))
}

func (h *hub) uploaded() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.uploads
	h.uploads = 0
	return n
}

// ordered packs a project and orders an image of it.
func (h *hub) ordered(t testing.TB, files map[string]string) *control {
	t.Helper()
	dir := t.TempDir()
	for file, content := range files {
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o644))
	}
	packed, err := bundle.Pack(dir)
	must(t, err)
	defer packed.Close()
	r, err := packed.Open()
	must(t, err)
	content, err := io.ReadAll(r)
	must(t, err)
	return &control{bundle: content, order: order.Order{
		Bundle: packed.Digest, Environment: packed.Environment, Platform: images.LinuxAMD64,
		Base: h.host + "/python:3", Repository: h.host + "/projects/p",
	}}
}

// run builds as a process of this machine, with environments of its own each time.
func run(t testing.TB, c *control) (environments string, err error) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(program, []byte("the runner"), 0o755))
	environments = t.TempDir()
	return environments, builder.Run(t.Context(), builder.Options{
		Control: c, Dir: t.TempDir(), Environments: environments, Program: program, Logger: slog.New(slog.DiscardHandler),
	})
}

const simple = "from multinode import Multinode\nmn = Multinode()\n@mn.function(max_retries=2)\ndef f(x):\n    return x\n"

func layersOf(t testing.TB, reference string) []v1.Layer {
	t.Helper()
	ref, err := name.ParseReference(reference)
	must(t, err)
	image, err := remote.Image(ref)
	must(t, err)
	layers, err := image.Layers()
	must(t, err)
	return layers
}

func TestBuild(t *testing.T) {
	h := newHub(t)
	h.uploaded()
	first := h.ordered(t, map[string]string{"main.py": simple, "requirements.txt": "# nothing\n", ".env": "TOKEN=hunter2-secret\n"})
	_, err := run(t, first)
	must(t, err)
	if r := first.report; len(r.Functions) != 1 || r.Functions[0].Name != "f" || r.Functions[0].MaxRetries != 2 || !strings.Contains(r.Image, "/projects/p@sha256:") || r.Failure != "" {
		t.Fatalf("%+v\n%s", r, first.said())
	}
	if !slices.Contains(first.lines, "Found in main.py: f") || !strings.Contains(first.said(), "Making a Python") {
		t.Errorf("progress:\n%s", first.said())
	}

	// Only the code is another one: nothing is installed, one layer and the
	// configuration go over.
	h.uploaded()
	second := h.ordered(t, map[string]string{"main.py": simple + "@mn.function()\ndef g(): ...\n", "requirements.txt": "\n"})
	_, err = run(t, second)
	must(t, err)
	if n := h.uploaded(); n != 2 {
		t.Errorf("a change of code uploads %d blobs", n)
	}
	if strings.Contains(second.said(), "Making") || !strings.Contains(second.said(), "Fetching the dependencies") || len(second.report.Functions) != 2 {
		t.Errorf("%+v\n%s", second.report, second.said())
	}
	one, two := layersOf(t, first.report.Image), layersOf(t, second.report.Image)
	for i, same := range []bool{true, true, false} {
		a, err := one[i].Digest()
		must(t, err)
		b, err := two[i].Digest()
		must(t, err)
		if (a == b) != same {
			t.Errorf("layer %d: %s and %s", i, a, b)
		}
	}
	// Built again elsewhere: the same image.
	third := h.ordered(t, map[string]string{"main.py": simple, "requirements.txt": ""})
	third.order.Bundle, third.bundle = first.order.Bundle, first.bundle
	_, err = run(t, third)
	must(t, err)
	if third.report.Image != first.report.Image || h.uploaded() != 0 {
		t.Errorf("%s, before %s", third.report.Image, first.report.Image)
	}

	// What was pushed runs.
	root := t.TempDir()
	for _, layer := range two {
		must(t, images.Extract(layer, "/", root))
	}
	pythons, err := filepath.Glob(root + "/opt/multinode/*/bin/python")
	if err != nil || len(pythons) != 1 {
		t.Fatalf("%q, %v", pythons, err)
	}
	c := exec.Command(pythons[0], "-c", "import main, multinode, sys; print(main.f.fn_spec.function_name, multinode.__cached__)")
	c.Dir = filepath.Join(root, "app")
	out, err := c.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "f ") {
		t.Fatalf("%v: %s", err, out)
	}
	compiled, err := filepath.Glob(root + "/app/__pycache__/main.*.pyc")
	must(t, err)
	content, err := os.ReadFile(compiled[0])
	must(t, err)
	if len(compiled) != 1 || content[4] != 1 || !bytes.Contains(content, []byte("/app/main.py")) {
		t.Error("the bytecode is not made for the image: unchecked, with the paths there")
	}
}

func TestUsersMistakes(t *testing.T) {
	h := newHub(t)
	for name, test := range map[string]struct {
		files  map[string]string
		change func(*order.Order)
		says   []string
	}{
		"syntax error": {map[string]string{"main.py": "def f(:\n"}, nil, []string{"SyntaxError", "line 1"}},
		"exception": {
			map[string]string{"main.py": "import os\nraise ValueError('got ' + os.environ['TOKEN'])\n", ".env": "TOKEN=hunter2"}, nil,
			[]string{`main.py", line 2`, "ValueError: got [.env value]"},
		},
		"no such package": {
			map[string]string{"main.py": simple, "requirements.txt": "multinode-no-such-package-here\n"}, nil,
			[]string{"pip could not install", "multinode-no-such-package-here"},
		},
		"other platform": {
			map[string]string{"main.py": simple}, func(o *order.Order) { o.Platform = images.LinuxARM64 },
			[]string{"made for linux/amd64, not for linux/arm64"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := h.ordered(t, test.files)
			if test.change != nil {
				test.change(&c.order)
			}
			_, err := run(t, c)
			must(t, err)
			for _, part := range test.says {
				if !strings.Contains(c.report.Failure, part) {
					t.Errorf("%q is not in:\n%s", part, c.report.Failure)
				}
			}
			if strings.Contains(c.report.Failure+c.said(), "hunter2") || c.report.Image != "" {
				t.Errorf("%+v\n%s", c.report, c.said())
			}
		})
	}
}

// Dependencies are shared by all projects that ask for the same: what main.py does to them
// when it is imported stays in its build.
func TestMainCannotChangeWhatOthersShare(t *testing.T) {
	h := newHub(t)
	c := h.ordered(t, map[string]string{"main.py": simple + `
import multinode, os
open(os.path.join(os.path.dirname(multinode.__file__), "planted.py"), "w").close()
`})
	_, err := run(t, c)
	must(t, err)
	if len(c.report.Functions) != 1 {
		t.Fatalf("%+v\n%s", c.report, c.said())
	}
	content, err := layersOf(t, c.report.Image)[0].Uncompressed()
	must(t, err)
	defer content.Close()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if strings.Contains(header.Name, "planted") {
			t.Errorf("%s is in the layer of the dependencies", header.Name)
		}
	}
}

func TestNoPython(t *testing.T) {
	h := newHub(t)
	c := h.ordered(t, map[string]string{"main.py": simple})
	must(t, builder.Run(t.Context(), builder.Options{Control: c, Dir: t.TempDir(), Environments: t.TempDir(), Python: "/no/python3"}))
	if !strings.Contains(c.report.Failure, "cannot be built on") {
		t.Errorf("%+v", c.report)
	}
}

// Neither a registry that has lost an image, nor one that is away, is the project's fault.
func TestTroubleIsNoFailure(t *testing.T) {
	h := newHub(t)
	c := h.ordered(t, map[string]string{"main.py": simple})
	c.order.Base = h.host + "/nothing:1"
	if _, err := run(t, c); err == nil || !strings.Contains(c.report.Trouble, "no such image") || c.report.Failure != "" {
		t.Errorf("%v, %+v", err, c.report)
	}
	c = h.ordered(t, map[string]string{"main.py": simple})
	h.Close()
	if _, err := run(t, c); err == nil || !strings.Contains(c.report.Trouble, "reading the base image") || c.report.Failure != "" {
		t.Errorf("%v, %+v", err, c.report)
	}
	if _, err := run(t, &control{order: order.Order{Base: "x y"}}); err != nil {
		t.Error(err)
	}
	broken := &brokenControl{}
	if err := builder.Run(t.Context(), builder.Options{Control: broken, Dir: t.TempDir()}); !errors.Is(err, errAway) {
		t.Error(err)
	}
}

var errAway = errors.New("away")

type brokenControl struct{ control }

func (*brokenControl) Order(context.Context) (order.Order, error) { return order.Order{}, errAway }
