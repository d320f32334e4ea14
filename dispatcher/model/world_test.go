package model_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/dispatcher"
	"multinode/dispatcher/build"
	"multinode/embedded"
	"multinode/streams"
	"multinode/streams/index"
)

// patience is far above what a history takes: one that reaches it hangs.
const patience = 90 * time.Second

// tester is a *testing.T or a *rapid.T.
type tester interface {
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Output() io.Writer
}

// server is the NATS server, in this process or in another.
type server interface {
	URL() string
	Connect(name string) (*nats.Conn, error)
	MintWorker(execution, executionKey string, expires time.Time) ([]byte, error)
}

// world is a server with its dispatchers, of one history.
type world struct {
	t       tester
	ctx     context.Context
	history history
	folder  string
	fleet   *fleet
	server  server
	js      jetstream.JetStream
	store   *streams.Store
	index   *index.Index
	project multinode.Project
	nodes   []*node
	started []*invocation
	closers []func()
	clock   *fastClock // nil where the clock is the real one
}

func newWorld(t tester, folder string, h history) *world {
	w := emptyWorld(t, folder, h)
	options := embedded.DefaultOptions(w.folder)
	options.SyncAlways, options.Logger = false, slog.New(slog.DiscardHandler)
	s, err := embedded.Start(w.ctx, options)
	w.must(err)
	w.cleanup(func() { _ = s.Close(context.Background()) })
	w.begin(s)
	return w
}

func emptyWorld(t tester, folder string, h history) *world {
	w := &world{t: t, history: h, fleet: newFleet(folder)}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	w.ctx = ctx
	w.closers = append(w.closers, cancel)
	var err error
	w.folder, err = os.MkdirTemp(folder, "")
	w.must(err)
	w.fleet.folder = w.folder
	w.cleanup(func() { _ = os.RemoveAll(w.folder) })
	return w
}

// begin starts everything but the server.
func (w *world) begin(s server) {
	w.server = s
	var err error
	var nc *nats.Conn
	w.store, nc = w.connect()
	w.js, err = jetstream.New(nc)
	w.must(err)
	w.index, err = index.Open(w.folder+"/index.db", w.store, slog.New(slog.DiscardHandler))
	w.must(err)
	w.cleanup(func() { _ = w.index.Close() })
	go func() { _ = w.index.Run(w.ctx) }()
	w.keepHistory()
	if w.history.Clocked {
		w.startClock(nc)
	}
	w.deploy()
	for range w.history.Dispatchers {
		w.nodes = append(w.nodes, w.newNode())
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.close()
		w.t.Fatalf("%v", err)
	}
}

func (w *world) cleanup(f func()) { w.closers = append(w.closers, f) }

// close may be called twice.
func (w *world) close() {
	for _, n := range w.nodes {
		n.stop()
	}
	w.nodes = nil
	w.fleet.mu.Lock()
	for _, each := range w.fleet.workers {
		each.kill()
	}
	w.fleet.mu.Unlock()
	w.fleet.all.Wait()
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	w.closers = nil
}

func (w *world) connect() (*streams.Store, *nats.Conn) {
	nc, err := w.server.Connect("model")
	w.must(err)
	w.cleanup(nc.Close)
	store, err := streams.Open(w.ctx, nc, streams.Options{})
	w.must(err)
	w.cleanup(store.Close)
	return store, nc
}

// keepHistory makes the bucket of records keep every revision.
func (w *world) keepHistory() {
	stream, err := w.js.Stream(w.ctx, recordsStream)
	w.must(err)
	config := stream.CachedInfo().Config
	config.MaxMsgsPerSubject = 64 // the most that a bucket may have
	_, err = w.js.UpdateStream(w.ctx, config)
	w.must(err)
}

const recordsStream = "KV_mn-invocations"

// functionTimeout is that of all functions.
const functionTimeout = time.Hour

func functionName(n int) string { return fmt.Sprintf("function %d", n) }

func (w *world) deploy() {
	var err error
	w.project, err = w.store.CreateProject(w.ctx, "project")
	w.must(err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: w.project.Name, Generation: w.project.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionReady, Bundle: strings.Repeat("0", 64),
	}
	for n := range functions {
		v.Functions = append(v.Functions, multinode.FunctionSpec{
			Name: functionName(n), CPU: 1, MemoryGiB: 1, Timeout: functionTimeout,
			MaxConcurrency: w.history.Concurrency[n], MaxRetries: w.history.Retries[n],
		})
	}
	w.must(w.store.CreateVersion(w.ctx, v, nil))
	w.must(w.store.Activate(w.ctx, v))
	w.eachConsumer(func(stream jetstream.Stream, consumer jetstream.Consumer) {
		config := consumer.CachedInfo().Config
		if w.clock == nil {
			config.AckWait = time.Duration(w.history.AckWait) * time.Millisecond
		}
		_, err := stream.UpdateConsumer(w.ctx, config)
		w.must(err)
	})
}

// eachConsumer calls fn for the requests of each function.
func (w *world) eachConsumer(fn func(jetstream.Stream, jetstream.Consumer)) {
	names := w.js.StreamNames(w.ctx)
	for name := range names.Name() {
		if !strings.Contains(name, w.project.Generation) {
			continue
		}
		stream, err := w.js.Stream(w.ctx, name)
		w.must(err)
		consumer, err := stream.Consumer(w.ctx, "dispatch")
		w.must(err)
		fn(stream, consumer)
	}
	w.must(names.Err())
}

// node is a dispatcher with a connection of its own.
type node struct {
	nc   *nats.Conn
	stop func()
}

func (w *world) newNode() *node {
	store, nc := w.connect()
	view := w.fleet.view()
	options := dispatcher.Options{
		Store: store, Index: w.index, Provisioner: view, Builder: noBuild{},
		MintWorker: w.server.MintWorker, NATSURL: w.server.URL(), APIURL: "http://127.0.0.1:1",
		Logger: slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	}
	if w.clock != nil {
		options.Clock = w.clock
	}
	d, err := dispatcher.New(options)
	w.must(err)
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()
	return &node{nc: nc, stop: func() {
		cancel()
		<-done
		_ = view.Close()
		nc.Close()
	}}
}

// crash cuts it off without a word: what it had begun stays as it is.
func (n *node) crash() {
	n.nc.Close()
	n.stop()
}

// noBuild stands for versions that are ready.
type noBuild struct{}

func (noBuild) Prepare(context.Context, build.Source, func(string)) (build.Result, error) {
	return build.Result{}, nil
}

func (noBuild) Locate(context.Context, string, func() (io.ReadCloser, error)) (build.Code, error) {
	return build.Code{ProjectDir: "/", Python: "/"}, nil
}

func (noBuild) Keep([]string) error { return nil }
