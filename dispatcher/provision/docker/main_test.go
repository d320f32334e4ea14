package docker_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/docker"
	"multinode/dispatcher/provision/provisiontest"
	"multinode/internal/testlog"
)

func TestMain(m *testing.M) {
	if order := os.Getenv(deedVariable); order != "" {
		do(order)
		return
	}
	provisiontest.Main(m)
}

func TestContract(t *testing.T) {
	requireEngine(t)
	provisiontest.Run(t, func(t *testing.T) provisiontest.Place {
		s := newSite(t)
		return provisiontest.Place{
			Host:   hostOf(s.open(t, s.options(0))),
			Open:   func(t *testing.T, maxWorkers int) provision.Provisioner { return s.open(t, s.options(maxWorkers)) },
			Intent: func(_ *testing.T, id string) provision.Intent { return s.intent(id) },
			Impossible: func(_ *testing.T, id string) provision.Intent {
				intent := s.intent(id)
				intent.Image = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
				return intent
			},
		}
	})
}

// hostOf is where workers find what listens for them on this machine.
func hostOf(p *docker.Provisioner) string {
	address, _ := p.HostAddress()
	return cmp.Or(address, docker.HostName)
}

// requireEngine skips where no engine answers, except in CI.
func requireEngine(t *testing.T) *client.Client {
	t.Helper()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	if _, err := engine.Ping(t.Context()); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("CI needs a Docker engine: %v", err)
		}
		t.Skipf("no Docker engine: %v", err)
	}
	return engine
}

// site is a namespace for workers.
type site struct{ namespace, image string }

func newSite(t *testing.T) site {
	t.Helper()
	return site{namespace: multinode.NewID("test"), image: testImage(t)}
}

func (s site) options(maxWorkers int) docker.Options {
	o := docker.DefaultOptions()
	o.Namespace, o.Network, o.MaxWorkers = s.namespace, "multinode-test", maxWorkers
	return o
}

func (s site) open(t *testing.T, o docker.Options) *docker.Provisioner {
	t.Helper()
	o.Logger = slog.New(slog.NewTextHandler(testlog.New(t), nil))
	p, err := docker.New(context.Background(), o) // clean-ups open some too
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func (s site) intent(id string) provision.Intent {
	return provision.Intent{
		ExecutionID: id, ExecutionKey: "p.g.f.i." + id, Project: "p", Function: "f",
		CPU: 0.5, MemoryGiB: 0.125,
		Environment: map[string]string{},
		Credentials: []byte("secret of " + id),
		Image:       s.image,
	}
}

// testImage makes an image of nothing but this package's tests, once.
func testImage(t *testing.T) string {
	t.Helper()
	engine := requireEngine(t)
	imported.Do(func() { imported.id, imported.err = importTests(engine) })
	if imported.err != nil {
		t.Fatal(imported.err)
	}
	return imported.id
}

var imported struct {
	sync.Once
	id  string
	err error
}

// compileTests returns this package's tests as a program that is linked statically.
var compileTests = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "multinode-docker-test-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "worker")
	compile := exec.Command("go", "test", "-c", "-o", program, ".")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := compile.CombinedOutput(); err != nil {
		return nil, &exec.Error{Name: string(out), Err: err}
	}
	return os.ReadFile(program)
})

func importTests(engine *client.Client) (string, error) {
	code, err := compileTests()
	if err != nil {
		return "", err
	}
	return importImage(engine, map[string][]byte{"worker": code}, "ENTRYPOINT [\"/worker\"]", "WORKDIR /app")
}

// importImage returns the ID of an image with the files and a folder /app.
func importImage(engine *client.Client, files map[string][]byte, changes ...string) (string, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for dir, mode := range map[string]int64{"app/": 0o755, "tmp/": 0o1777} {
		if err := w.WriteHeader(&tar.Header{Name: dir, Typeflag: tar.TypeDir, Mode: mode, Uid: 65532, Gid: 65532}); err != nil {
			return "", err
		}
	}
	files["app/main.py"] = []byte("print('hello')\n")
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Uid: 65532, Gid: 65532}); err != nil {
			return "", err
		}
		if _, err := w.Write(content); err != nil {
			return "", err
		}
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	// Those of earlier runs are of no use any more.
	_, err := engine.ImagesPrune(context.Background(), filters.NewArgs(
		filters.Arg("label", "multinode-test"), filters.Arg("until", "1h"), filters.Arg("dangling", "true")))
	if err != nil {
		return "", err
	}
	changes = append(changes, "LABEL multinode-test=1")
	answer, err := engine.ImageImport(context.Background(), image.ImportSource{Source: &archive, SourceName: "-"}, "", image.ImportOptions{Changes: changes})
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Close() }()
	id := ""
	for decoder := json.NewDecoder(answer); ; {
		var line struct{ Status string }
		if err := decoder.Decode(&line); err == io.EOF {
			return id, nil
		} else if err != nil {
			return "", err
		}
		id = line.Status
	}
}
