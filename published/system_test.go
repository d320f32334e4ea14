// Package published tests the published Python client 1.0.1 as it is, taken from
// the package index: its applications and its command line against the gateway,
// and its worker under the dispatcher.
package published

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher"
	"multinode/dispatcher/build"
	"multinode/embedded/embeddedtest"
	"multinode/gateway"
	"multinode/internal/pythontest"
	"multinode/internal/testlog"
	"multinode/streams"
	"multinode/streams/index"
)

const adminKey = "test-admin-key"

// system is everything that a program talks to, with workers of the published
// package.
type system struct {
	t       *testing.T
	store   *streams.Store
	index   *index.Index
	workers *containers
	project multinode.Project
	python  string
	url     string
}

// start deploys testdata/project as project "p".
func start(t *testing.T, functions ...multinode.FunctionSpec) *system {
	t.Helper()
	t.Parallel()
	s := &system{t: t, python: pythontest.WithDownloads(t, "multinode==1.0.1")}
	code, err := filepath.Abs(filepath.Join("testdata", "project"))
	s.must(err)
	s.workers = newContainers(t, s.python)
	log := slog.New(slog.NewTextHandler(testlog.New(t), nil))

	server := embeddedtest.Start(t)
	nc, err := server.Connect("test")
	s.must(err)
	t.Cleanup(nc.Close)
	s.store, err = streams.Open(t.Context(), nc, streams.Options{Logger: log})
	s.must(err)
	t.Cleanup(s.store.Close)
	s.index, err = index.Open(filepath.Join(t.TempDir(), "index.db"), s.store, log)
	s.must(err)
	fed := make(chan error, 1)
	go func() { fed <- s.index.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		if err := errors.Join(s.index.Close(), <-fed); err != nil {
			t.Errorf("the index: %v", err)
		}
	})
	s.must(s.store.PutKey(t.Context(), adminKey, "test", streams.RoleAdmin, ""))
	s.serve(log)

	d, err := dispatcher.New(dispatcher.Options{
		Store: s.store, Index: s.index, Provisioner: s.workers, Builder: prepared{code, functions},
		MintWorker: server.MintWorker, NATSURL: server.URL(), APIURL: s.url, Logger: log,
	})
	s.must(err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the dispatcher ended: %v", err)
		}
	})
	s.deploy()
	return s
}

func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) serve(log *slog.Logger) {
	s.t.Helper()
	o := gateway.DefaultOptions()
	o.Store, o.Index, o.Logger = s.store, s.index, log
	g, err := gateway.New(o)
	s.must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.url = "http://" + listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	s.t.Cleanup(func() {
		if err := errors.Join(g.Close(), <-served); err != nil && !errors.Is(err, net.ErrClosed) {
			s.t.Errorf("the gateway: %v", err)
		}
	})
}

// prepared stands for a version that has been built: its code is the folder, and
// its Python has the published package.
type prepared struct {
	dir       string
	functions []multinode.FunctionSpec
}

func (b prepared) Prepare(context.Context, build.Source, func(string)) (build.Result, error) {
	return build.Result{Functions: b.functions}, nil
}

func (b prepared) Locate(context.Context, string, func() (io.ReadCloser, error)) (build.Code, error) {
	return build.Code{ProjectDir: b.dir}, nil
}

func (b prepared) Keep([]string) error { return nil }

func (s *system) deploy() {
	s.t.Helper()
	ctx := s.t.Context()
	var err error
	s.project, err = s.store.CreateProject(ctx, "p")
	s.must(err)
	content := []byte("stands for an archive")
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	_, err = s.store.PutBundle(ctx, digest, bytes.NewReader(content))
	s.must(err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: "p", Generation: s.project.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionPreparing, Bundle: digest,
	}
	s.must(s.store.CreateVersion(ctx, v, nil))
	updates, err := s.store.WatchVersion(ctx, s.project, v.ID)
	s.must(err)
	for u := range updates {
		if u.Version.State == multinode.VersionReady {
			return
		}
	}
	s.t.Fatal("the version did not become ready")
}

// function is a specification with small limits.
func function(name string, change ...func(*multinode.FunctionSpec)) multinode.FunctionSpec {
	f := multinode.FunctionSpec{Name: name, CPU: 0.1, MemoryGiB: 0.25, MaxConcurrency: 4, Timeout: time.Hour}
	for _, c := range change {
		c(&f)
	}
	return f
}

func retries(n int) func(*multinode.FunctionSpec) {
	return func(f *multinode.FunctionSpec) { f.MaxRetries = n }
}

func timeout(d time.Duration) func(*multinode.FunctionSpec) {
	return func(f *multinode.FunctionSpec) { f.Timeout = d }
}

// until waits until the record is as wanted.
func (s *system) until(k multinode.InvocationKey, what string, wanted func(multinode.Invocation) bool) multinode.Invocation {
	s.t.Helper()
	changes, stop := s.index.Subscribe(k)
	defer stop()
	for {
		record, _, err := s.store.Record(s.t.Context(), k)
		s.must(err)
		if wanted(record) {
			return record
		}
		if record.Status.Terminal() {
			s.t.Fatalf("%s ended %s instead of: %s: %+v\n%s", k.Function, record.Status, what, record, s.workers.output())
		}
		select {
		case <-changes:
		case <-s.t.Context().Done():
			s.t.Fatalf("%s is still %s instead of: %s\n%s", k.Function, record.Status, what, s.workers.output())
		}
	}
}
