package images_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"multinode/images"
	"multinode/images/registry"
)

// server is a registry that notes what it is asked for.
type server struct {
	*httptest.Server
	dir string

	mu     sync.Mutex
	asked  []string
	refuse int // a status for all requests; 0 for none
}

func newServer(t *testing.T, password string) *server {
	t.Helper()
	s := &server{dir: t.TempDir()}
	r, err := registry.New(registry.Options{Dir: s.dir, Password: password})
	must(t, err)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, request.Method+" "+request.URL.Path)
		status := s.refuse
		s.mu.Unlock()
		if status != 0 {
			http.Error(w, "no", status)
			return
		}
		r.ServeHTTP(w, request)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) name(repository string) string {
	return strings.TrimPrefix(s.URL, "http://") + "/" + repository
}

// took returns what was asked with this method since the last call.
func (s *server) took(method string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := slices.DeleteFunc(s.asked, func(one string) bool { return !strings.HasPrefix(one, method+" ") })
	s.asked = nil
	return found
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// platformImage is a base of two random layers.
func platformImage(t *testing.T, architecture string) v1.Image {
	t.Helper()
	image, err := random.Image(1000, 2)
	must(t, err)
	config, err := image.ConfigFile()
	must(t, err)
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Config.Env = []string{"PATH=/opt/python/bin:/bin", "LANG=C"}
	config.Config.User, config.Config.Cmd = "somebody", []string{"python3"}
	image, err = mutate.ConfigFile(image, config)
	must(t, err)
	return image
}

func (s *server) store(t *testing.T, reference string, what remote.Taggable) {
	t.Helper()
	ref, err := name.ParseReference(s.name(reference))
	must(t, err)
	if index, ok := what.(v1.ImageIndex); ok {
		must(t, remote.WriteIndex(ref, index))
	} else {
		must(t, remote.Write(ref, what.(v1.Image)))
	}
	s.took("")
}

func project(t *testing.T, main string) string {
	t.Helper()
	dir := t.TempDir()
	for file, content := range map[string]string{"main.py": main, "z/data.txt": "data", "a/run.sh": "#!/bin/sh\n"} {
		at := filepath.Join(dir, file)
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		must(t, os.WriteFile(at, []byte(content), 0o644))
	}
	must(t, os.Chmod(filepath.Join(dir, "a", "run.sh"), 0o700))
	must(t, os.Symlink("z/data.txt", filepath.Join(dir, "link")))
	return dir
}

// build makes an image of three layers.
func build(t *testing.T, base images.Base, main string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	program, environment := filepath.Join(dir, "program"), filepath.Join(dir, "environment")
	must(t, os.WriteFile(program, []byte("the runner"), 0o755))
	must(t, os.Mkdir(environment, 0o755))
	must(t, os.WriteFile(filepath.Join(environment, "x.py"), []byte("x = 1"), 0o644))
	dependencies, err := images.NewLayer(dir, images.Content{From: environment, To: "/opt/multinode"})
	must(t, err)
	runner, err := images.RunnerLayer(dir, program)
	must(t, err)
	code, err := images.CodeLayer(dir, project(t, main), images.User)
	must(t, err)
	config := images.Config{Python: "/opt/multinode/bin/python", Path: "/opt/multinode/bin", Labels: map[string]string{"project": "p"}}
	image, err := images.With(base, config, dependencies, runner, code)
	must(t, err)
	return image
}

func digest(t *testing.T, image v1.Image) string {
	t.Helper()
	d, err := image.Digest()
	must(t, err)
	return d.String()
}

func TestSameContentSameBytes(t *testing.T) {
	s := newServer(t, "")
	s.store(t, "base:1", platformImage(t, "amd64"))
	base, err := images.New(images.Options{}).Base(t.Context(), s.name("base:1"), images.LinuxAMD64)
	must(t, err)
	first := build(t, base, "x = 1")
	past := time.Unix(1e9, 0)
	second := build(t, base, "x = 1")
	if digest(t, first) != digest(t, second) {
		t.Error("two builds of the same have two digests")
	}
	old := project(t, "x = 1")
	must(t, os.Chtimes(filepath.Join(old, "main.py"), past, past))
	must(t, os.Chmod(filepath.Join(old, "main.py"), 0o600))
	one, err := images.CodeLayer(t.TempDir(), old, images.User)
	must(t, err)
	two, err := images.CodeLayer(t.TempDir(), project(t, "x = 1"), images.User)
	must(t, err)
	a, _ := one.Digest()
	b, _ := two.Digest()
	if a != b {
		t.Error("time and mode of a file change the layer")
	}
	if digest(t, build(t, base, "x = 2")) == digest(t, first) {
		t.Error("other code has the same digest")
	}
}

func TestOnlyWhatChangedIsUploaded(t *testing.T) {
	s := newServer(t, "")
	s.store(t, "base:1", platformImage(t, "amd64"))
	client := images.New(images.Options{})
	base, err := client.Base(t.Context(), s.name("base:1"), images.LinuxAMD64)
	must(t, err)
	push := func(repository, main string) string {
		t.Helper()
		s.took("")
		reference, err := client.Push(t.Context(), s.name(repository), "latest", build(t, base, main))
		must(t, err)
		return reference
	}
	first := push("p", "x = 1")
	// Three layers and the configuration; those of the base are taken over.
	if uploads := s.took("PATCH"); len(uploads) != 4 {
		t.Errorf("the first push uploads %q", uploads)
	}
	second := push("p", "x = 2")
	if uploads := s.took("PATCH"); len(uploads) != 2 || first == second {
		t.Errorf("a change of code uploads %q, and makes %s of %s", uploads, second, first)
	}
	if again := push("p", "x = 2"); again != second {
		t.Errorf("%s, before %s", again, second)
	}
	if uploads := slices.Concat(s.took("")); len(uploads) != 0 {
		t.Errorf("nothing changed, but %q", uploads)
	}
	push("other", "x = 2")
	if uploads := s.took("PATCH"); len(uploads) > 4 {
		t.Errorf("another repository is uploaded %q", uploads)
	}
	// What is there is what was pushed, read by somebody else's client.
	ref, err := name.ParseReference(second)
	must(t, err)
	pulled, err := remote.Image(ref)
	must(t, err)
	layers, err := pulled.Layers()
	must(t, err)
	if len(layers) != 5 {
		t.Errorf("%d layers", len(layers))
	}
	config, err := pulled.ConfigFile()
	must(t, err)
	c := config.Config
	got := fmt.Sprint(c.Entrypoint, c.Cmd, c.WorkingDir, c.User, c.Env, c.Labels)
	want := "[/usr/local/bin/multinode runner][]/app65532:65532[LANG=C HOME=/tmp PATH=/opt/multinode/bin:/opt/python/bin:/bin " +
		"MULTINODE_PYTHON=/opt/multinode/bin/python MULTINODE_PROJECT_DIR=/app]map[org.multinode.base:" + base.Reference + " org.multinode.project:p]"
	if strings.ReplaceAll(got, "] ", "]") != strings.ReplaceAll(want, "] ", "]") && got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBaseIsPinned(t *testing.T) {
	s := newServer(t, "")
	before := platformImage(t, "amd64")
	s.store(t, "base:1", before)
	client := images.New(images.Options{})
	base, err := client.Base(t.Context(), s.name("base:1"), images.LinuxAMD64)
	must(t, err)
	s.store(t, "base:1", platformImage(t, "amd64")) // the tag moves
	if want := s.name("base@") + digest(t, before); base.Reference != want || base.Digest != digest(t, before) {
		t.Errorf("%+v, not %s", base, want)
	}
	again, err := client.Base(t.Context(), base.Reference, images.LinuxAMD64)
	must(t, err)
	if again.Digest != base.Digest {
		t.Errorf("%s, before %s", again.Digest, base.Digest)
	}
}

func TestPlatforms(t *testing.T) {
	s := newServer(t, "")
	arm := platformImage(t, "arm64")
	index := mutate.IndexMediaType(mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: platformImage(t, "amd64"), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: arm, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}}},
	), types.DockerManifestList)
	s.store(t, "both:1", index)
	s.store(t, "one:1", platformImage(t, "amd64"))
	client := images.New(images.Options{})
	base, err := client.Base(t.Context(), s.name("both:1"), images.LinuxARM64)
	must(t, err)
	if base.Digest != digest(t, arm) || strings.Contains(base.Reference, base.Digest) {
		t.Errorf("%+v", base)
	}
	config, err := build(t, base, "x = 1").ConfigFile()
	must(t, err)
	if config.Architecture != "arm64" {
		t.Errorf("made for %s", config.Architecture)
	}
	isFailure(t, "made for linux/amd64, not for linux/arm64", func() error {
		_, err := client.Base(t.Context(), s.name("one:1"), images.LinuxARM64)
		return err
	}())
	isFailure(t, `no platform "linux/s390x"`, func() error {
		_, err := client.Base(t.Context(), s.name("one:1"), "linux/s390x")
		return err
	}())
}

func TestOverrideKeepsItsUser(t *testing.T) {
	s := newServer(t, "")
	s.store(t, "own:1", platformImage(t, "amd64"))
	client := images.New(images.Options{})
	base, err := client.Base(t.Context(), s.name("own:1"), images.LinuxAMD64)
	must(t, err)
	program := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(program, []byte("the runner"), 0o755))
	runner, err := images.RunnerLayer(t.TempDir(), program)
	must(t, err)
	image, err := images.With(base, images.Config{Python: "python3", KeepUser: true}, runner)
	must(t, err)
	config, err := image.ConfigFile()
	must(t, err)
	if c := config.Config; c.User != "somebody" || !slices.Contains(c.Env, "PATH=/opt/python/bin:/bin") || !slices.Contains(c.Env, "MULTINODE_PYTHON=python3") {
		t.Errorf("%+v", c)
	}
	_, err = client.Push(t.Context(), s.name("p"), "", image)
	must(t, err)
}

func isFailure(t *testing.T, says string, err error) {
	t.Helper()
	if f, ok := err.(*images.Failure); !ok || !strings.Contains(f.Detail, says) { //nolint:errorlint // it is never wrapped
		t.Errorf("%v is no failure with %q", err, says)
	}
}

func TestAPasswordIsLookedUpWhenItIsNeeded(t *testing.T) {
	asked := ""
	c := images.New(images.Options{Lookup: func(_ context.Context, host string) (images.Credential, bool, error) {
		asked = host
		return images.Credential{Username: "u", Password: "p"}, host == "registry.example", nil
	}})
	if got, err := c.Login(t.Context(), "registry.example/app"); got != (images.Credential{Username: "u", Password: "p"}) || err != nil || asked != "registry.example" {
		t.Errorf("%+v (%v), asked for %s", got, err, asked)
	}
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	if got, err := c.Login(t.Context(), "other.example/app"); got != (images.Credential{}) || err != nil {
		t.Errorf("%+v (%v)", got, err)
	}
}
