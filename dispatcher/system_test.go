package dispatcher_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision/process"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/internal/pythontest"
	"multinode/internal/testlog"
	"multinode/runner"
	"multinode/streams"
	"multinode/streams/index"
)

// The test binary is the worker's program too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "runner" {
		if err := runWorker(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "http-worker" {
		if err := runHTTPWorker(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func runWorker() error {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	connection := streams.WorkerOptions{
		URL: os.Getenv("MULTINODE_NATS_URL"), Credentials: os.Getenv("MULTINODE_NATS_CREDS"),
		Execution: os.Getenv("MULTINODE_EXECUTION_ID"), Key: os.Getenv("MULTINODE_EXECUTION_KEY"), Logger: logger,
	}
	return runner.Run(context.Background(), runner.Options{
		Dial:   func(ctx context.Context) (runner.Link, error) { return streams.DialWorker(ctx, connection) },
		Python: os.Getenv("MULTINODE_PYTHON"), ProjectDir: os.Getenv("MULTINODE_PROJECT_DIR"),
		WorkerDir: os.Getenv("MULTINODE_WORKER_DIR"), Environment: os.Environ(), Limits: runner.DefaultLimits(), Logger: logger,
	})
}

// readyMade stands for a version that has been built: making environments is
// tested elsewhere, and takes long.
type readyMade struct {
	code      build.Code
	functions atomic.Pointer[[]multinode.FunctionSpec]
	failure   error
	// endless makes it build until it is told to stop.
	endless atomic.Bool
}

func (b *readyMade) Prepare(ctx context.Context, _ build.Source, progress func(string)) (build.Result, error) {
	progress("building")
	for b.endless.Load() {
		select {
		case <-ctx.Done():
			return build.Result{}, ctx.Err()
		case <-time.After(10 * time.Millisecond):
			progress("building") // whoever watches may have come after the first one
		}
	}
	return build.Result{Functions: *b.functions.Load()}, b.failure
}

func (b *readyMade) Locate(context.Context, string, func() (io.ReadCloser, error)) (build.Code, error) {
	return b.code, nil
}

func (b *readyMade) Keep([]string) error { return nil }

// system is a dispatcher with everything that it needs, real but for the build.
type system struct {
	t      *testing.T
	server *embedded.Server
	store  *streams.Store
	index  *index.Index
	dir    string
	build  *readyMade
	// apiURL and worker are for workers that have nothing but HTTP.
	apiURL string
	worker []string
	// stop ends the dispatcher and waits for that.
	stop func()
}

func newSystem(t *testing.T, main string, functions ...multinode.FunctionSpec) *system {
	t.Helper()
	s := &system{t: t, server: embeddedtest.Start(t), dir: t.TempDir()}
	nc, err := s.server.Connect("test")
	s.must(err)
	t.Cleanup(nc.Close)
	s.store, err = streams.Open(t.Context(), nc, streams.Options{})
	s.must(err)
	t.Cleanup(s.store.Close)
	s.index, err = index.Open(filepath.Join(s.dir, "index.db"), s.store, slog.New(slog.DiscardHandler))
	s.must(err)
	t.Cleanup(func() { _ = s.index.Close() })
	go func() { _ = s.index.Run(t.Context()) }()

	project := filepath.Join(s.dir, "project")
	s.must(os.Mkdir(project, 0o755))
	s.must(os.WriteFile(filepath.Join(project, "main.py"), []byte(main), 0o644))
	// What a built environment has installed, this one finds by its path.
	python := filepath.Join(s.dir, "python")
	s.must(os.WriteFile(python, fmt.Appendf(nil, "#!/bin/sh\nPYTHONPATH=%q exec %q \"$@\"\n",
		pythontest.PackageDir(t), pythontest.Interpreter(t)), 0o755))
	s.build = &readyMade{code: build.Code{ProjectDir: project, Python: python}}
	s.build.functions.Store(&functions)
	s.apiURL = "http://127.0.0.1:1"
	t.Cleanup(func() { s.stop() })
	s.start()
	return s
}

// start runs a dispatcher, the first one or the next.
func (s *system) start() {
	s.t.Helper()
	end := s.startAt("workers")
	s.stop = func() {
		end()
		s.stop = func() {}
	}
}

// startAt runs one more dispatcher, with workers in a folder of that name, and
// returns what ends it and waits for that.
func (s *system) startAt(place string) (stop func()) {
	s.t.Helper()
	options := process.DefaultOptions(filepath.Join(s.dir, place))
	options.Command = s.worker
	workers, err := process.New(options)
	s.must(err)
	d, err := dispatcher.New(dispatcher.Options{
		Store: s.store, Index: s.index, Provisioner: workers, Builder: s.build,
		MintWorker: s.server.MintWorker, NATSURL: s.server.URL(), APIURL: s.apiURL,
		Logger: slog.New(slog.NewTextHandler(testlog.New(s.t), nil)).With("place", place),
	})
	s.must(err)
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("the dispatcher ended: %v", err)
		}
		_ = workers.Close()
	})
}

func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// deploy makes a version and waits until it serves.
func (s *system) deploy(project string) multinode.Project {
	s.t.Helper()
	p, err := s.store.CreateProject(s.t.Context(), project)
	s.must(err)
	s.upgrade(p)
	return p
}

func (s *system) upgrade(p multinode.Project) multinode.Version {
	s.t.Helper()
	var v multinode.Version
	for u := range s.upload(p) {
		if v = u.Version; v.State == multinode.VersionReady {
			return v
		}
		if v.State == multinode.VersionFailed {
			s.t.Fatal(v.Failure)
		}
	}
	s.t.Fatal("the version did not become ready")
	return v
}

// upload makes a version and tells what becomes of it.
func (s *system) upload(p multinode.Project) <-chan streams.VersionUpdate {
	s.t.Helper()
	ctx := s.t.Context()
	content := []byte("stands for an archive")
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	_, err := s.store.PutBundle(ctx, digest, bytes.NewReader(content))
	s.must(err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionPreparing, Bundle: digest,
	}
	s.must(s.store.CreateVersion(ctx, v, map[string]string{"FROM_DOT_ENV": "secret"}))
	updates, err := s.store.WatchVersion(ctx, p, v.ID)
	s.must(err)
	return updates
}

// invoke accepts a request and returns its key.
func (s *system) invoke(p multinode.Project, function string, args ...any) multinode.InvocationKey {
	s.t.Helper()
	return s.invokeAs(p, function, nil, args...)
}

func (s *system) invokeAs(p multinode.Project, function string, lineage []multinode.Ancestor, args ...any) multinode.InvocationKey {
	s.t.Helper()
	if args == nil {
		args = []any{}
	}
	input, err := json.Marshal([]any{args, map[string]any{}})
	s.must(err)
	k := multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: function, ID: multinode.NewID(multinode.InvocationPrefix)}
	_, err = s.store.Accept(s.t.Context(), streams.Request{Key: k, Lineage: lineage, Input: input})
	s.must(err)
	return k
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
			s.t.Fatalf("%s ended %s instead of: %s\n%s", k.Function, record.Status, what, s.log(record))
		}
		select {
		case <-changes:
		case <-s.t.Context().Done():
			s.t.Fatalf("%s is still %s instead of: %s", k.Function, record.Status, what)
		}
	}
}

func (s *system) end(k multinode.InvocationKey) multinode.Invocation {
	s.t.Helper()
	return s.until(k, "terminal", func(i multinode.Invocation) bool { return i.Status.Terminal() })
}

// outcome returns what the latest execution left behind.
func (s *system) outcome(i multinode.Invocation) multinode.Outcome {
	s.t.Helper()
	latest, _ := i.Latest()
	o, _, err := s.store.Outcome(s.t.Context(), i.Key.Execution(latest.ID))
	s.must(err)
	return o
}

func (s *system) log(i multinode.Invocation) string {
	var b bytes.Buffer
	for _, x := range i.Executions {
		lines, _, err := s.store.Logs(context.WithoutCancel(s.t.Context()), i.Key.Execution(x.ID), "", 1000)
		s.must(err)
		for _, l := range lines {
			fmt.Fprintln(&b, l.Text)
		}
	}
	return b.String()
}
