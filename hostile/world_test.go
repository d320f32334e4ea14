package hostile_test

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

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/dispatcher"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/gateway"
	"multinode/internal/testlog"
	"multinode/streams"
	"multinode/streams/index"
)

// patience is far above what anything here takes.
const patience = 30 * time.Second

// secret is what nobody of another project may ever see: it is in the input, the
// result, the yields, the log and the environment of the victim's.
const secret = "the-victims-secret"

// logBytes is what logs may take: little, so that it can be filled.
const logBytes = 16 << 20

// workerConnections is how many connections workers may have in all: few, so that
// one can open them all.
const workerConnections = 64

// ready stands for versions that have been built.
type ready struct{}

func (ready) Prepare(context.Context, build.Source, func(string)) (build.Result, error) {
	return build.Result{Functions: []multinode.FunctionSpec{{
		Name: "f", CPU: 1, MemoryGiB: 1, MaxConcurrency: 10, MaxRetries: 1, Timeout: time.Hour,
	}}}, nil
}

func (ready) Locate(context.Context, string, func() (io.ReadCloser, error)) (build.Code, error) {
	return build.Code{}, nil
}

func (ready) Keep([]string) error { return nil }

// world is a system with two projects in it, and a worker in each.
type world struct {
	t       *testing.T
	nats    *embedded.Server
	app     *nats.Conn
	js      jetstream.JetStream
	store   *streams.Store
	api     string
	captive *captive
	// mine is the attacker, victim the one it is after, in another project.
	mine, victim *worker
	// finished is an execution of the victim's project that has a result.
	finished multinode.ExecutionKey
}

// worker is an execution that runs, and what its worker was given.
type worker struct {
	multinode.ExecutionKey
	intent provision.Intent
	link   *streams.WorkerLink
}

func newWorld(t *testing.T) *world {
	t.Helper()
	o := embeddedtest.Options(t)
	o.WorkerConnections = workerConnections
	w := &world{t: t, nats: embeddedtest.StartWith(t, o), captive: newCaptive()}
	var err error
	w.app, err = w.nats.Connect("test")
	w.must(err)
	w.js, err = jetstream.New(w.app)
	w.must(err)
	w.store, err = streams.Open(t.Context(), w.app, streams.Options{LogBytes: logBytes})
	w.must(err)
	t.Cleanup(w.store.Close)
	log := slog.New(slog.NewTextHandler(testlog.New(t), nil))
	records, err := index.Open(filepath.Join(t.TempDir(), "index"), w.store, log)
	w.must(err)
	t.Cleanup(func() { _ = records.Close() })
	g, err := gateway.New(gateway.Options{Store: w.store, Index: records, Logger: log})
	w.must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	w.api = "http://" + listener.Addr().String()
	d, err := dispatcher.New(dispatcher.Options{
		Store: w.store, Index: records, Provisioner: w.captive, Builder: ready{},
		MintWorker: w.nats.MintWorker, RevokeWorkers: w.nats.RevokeWorkers, NATSURL: w.nats.URL(), APIURL: w.api, Logger: log,
	})
	w.must(err)
	w.run(records.Run)
	w.run(d.Run)
	go func() { _ = g.Serve(listener) }()
	t.Cleanup(func() { _ = g.Close() })

	mine, theirs := w.deploy("mine"), w.deploy("theirs")
	w.mine = w.launch(mine, "an input")
	w.victim = w.launch(theirs, secret)
	done := w.launch(theirs, secret)
	for _, each := range []*worker{w.victim, done} {
		w.must(each.link.PutYield(t.Context(), []byte(`"`+secret+`"`)))
		w.must(each.link.PutLogs(t.Context(), []multinode.LogLine{{Stream: "stdout", Text: secret}}))
	}
	_, err = done.link.PutOutcome(t.Context(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte(secret)})
	w.must(err)
	w.until(done.ExecutionKey, "SUCCEEDED", func(i multinode.Invocation) bool { return i.Status == multinode.Succeeded })
	w.finished = done.ExecutionKey
	w.answered(done.ExecutionKey)
	return w
}

// answered waits until the request of one that has ended is acknowledged, which
// comes after its record: but for the victim nothing is under way then.
func (w *world) answered(k multinode.ExecutionKey) {
	w.t.Helper()
	for {
		taken, _, err := w.store.Slots(w.t.Context(), k.Invocation)
		w.must(err)
		if taken == 1 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// run keeps a part running until the test ends.
func (w *world) run(part func(context.Context) error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(w.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- part(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("a part of the system ended: %v", err)
		}
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deploy(name string) multinode.Project {
	w.t.Helper()
	ctx, content := w.t.Context(), []byte("the code of "+name)
	p, err := w.store.CreateProject(ctx, name)
	w.must(err)
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	_, err = w.store.PutBundle(ctx, digest, bytes.NewReader(content))
	w.must(err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionPreparing, Bundle: digest,
	}
	w.must(w.store.CreateVersion(ctx, v, map[string]string{"TOKEN": secret}))
	updates, err := w.store.WatchVersion(ctx, p, v.ID)
	w.must(err)
	for u := range updates {
		if u.Version.State == multinode.VersionReady {
			return p
		}
	}
	w.t.Fatal("the version did not become ready")
	return p
}

// launch starts an invocation of the project's function, and is its worker.
func (w *world) launch(p multinode.Project, input string) *worker {
	w.t.Helper()
	w.accept(p, input)
	return w.launched()
}

func (w *world) accept(p multinode.Project, input string) {
	w.t.Helper()
	k := multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: "f", ID: multinode.NewID(multinode.InvocationPrefix)}
	_, err := w.store.Accept(w.t.Context(), streams.Request{Key: k, Input: []byte(input)})
	w.must(err)
}

// launched is the next worker that the dispatcher launches, as it is once it has
// its input.
func (w *world) launched() *worker {
	w.t.Helper()
	each := w.intended()
	_, err := each.link.Hello(w.t.Context())
	w.must(err)
	return each
}

// intended is the next worker that the dispatcher launches, before it has
// announced itself.
func (w *world) intended() *worker {
	w.t.Helper()
	var each worker
	select {
	case each.intent = <-w.captive.intents:
	case <-time.After(patience):
		w.t.Fatal("no worker was launched")
	}
	var err error
	each.ExecutionKey, err = streams.ParseExecutionKey(each.intent.ExecutionKey)
	w.must(err)
	file := filepath.Join(w.t.TempDir(), "nats.creds")
	writeFile(w.t, file, each.intent.Credentials)
	each.link, err = streams.DialWorker(w.t.Context(), streams.WorkerOptions{
		URL: w.nats.URL(), Credentials: file, Execution: each.ID, Key: each.intent.ExecutionKey, Logger: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	w.t.Cleanup(each.link.Close)
	return &each
}

// until waits until the invocation's record is as wanted.
func (w *world) until(k multinode.ExecutionKey, what string, wanted func(multinode.Invocation) bool) multinode.Invocation {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for {
		record, _, err := w.store.Record(ctx, k.Invocation)
		w.must(err)
		if wanted(record) {
			return record
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			w.t.Fatalf("%s is %s and did not become %s", k.Invocation.ID, record.Status, what)
		}
	}
}

// arrives waits for a notice.
func (w *world) arrives(notices <-chan struct{}, what string) {
	w.t.Helper()
	select {
	case <-notices:
	case <-time.After(patience):
		w.t.Fatalf("%s did not come", what)
	}
}
