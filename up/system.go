package up

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/dispatcher"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision/process"
	"multinode/embedded"
	"multinode/gateway"
	"multinode/streams"
	"multinode/streams/index"
)

// keyName is what the system's own API key is called in the registry.
const keyName = "up"

// System is a running system. Start makes one.
type System struct {
	// URL is where programs on this machine reach the API, Key what opens it.
	URL string
	Key string
	// NATSURL is where they reach NATS.
	NATSURL string
	// DataDir is the absolute path of the data folder.
	DataDir string

	server  *embedded.Server
	parts   []*part
	closers []closer
	once    sync.Once
	stop    chan struct{} // closed by the first call of Stop
	failed  chan error    // gets why a part ended by itself
	ended   chan struct{} // closed when everything has ended
	err     error         // read after ended
}

// closer lets go of one thing that Start took, within ctx.
type closer struct {
	name  string
	close func(ctx context.Context) error
}

// shutdownTimeout bounds each step of a shutdown.
const shutdownTimeout = 15 * time.Second

// Start brings the system up and returns when it serves requests. It finds
// everything that an earlier run on the data folder left there, its workers
// included. The context bounds the start only; end the system with Stop. A folder
// that another system uses is embedded.ErrInUse, wrapped.
func Start(ctx context.Context, o Options) (*System, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("start the system: %w", err)
	}
	dir, err := filepath.Abs(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	o.DataDir = dir
	s := &System{DataDir: dir, stop: make(chan struct{}), failed: make(chan error, 1), ended: make(chan struct{})}
	if err := s.start(ctx, o); err != nil {
		s.shutdown(nil)
		return nil, errors.Join(err, s.err)
	}
	go func() {
		var failure error
		select {
		case <-s.stop:
		case failure = <-s.failed:
			o.Logger.Error("the system stops, as a part of it failed", "error", failure)
		}
		s.shutdown(failure)
	}()
	return s, nil
}

func (s *System) start(ctx context.Context, o Options) error {
	server, err := embedded.Start(ctx, embedded.Options{
		DataDir: o.DataDir, Listen: o.NATSListen, SyncAlways: o.SyncAlways, Logger: o.Logger.With("part", "nats"),
	})
	if err != nil {
		return err
	}
	s.server = server
	s.onEnd("embedded NATS server", server.Close)
	s.NATSURL = server.URL()

	store, err := s.open(ctx, server, o)
	if err != nil {
		return err
	}
	records, err := index.Open(filepath.Join(o.DataDir, "index.db"), store, o.Logger.With("part", "index"))
	if err != nil {
		return err
	}
	s.onEnd("index", func(context.Context) error { return records.Close() })

	listener, err := listen(ctx, o.DataDir, o.Listen)
	if err != nil {
		return err
	}
	s.onEnd("listener", func(context.Context) error { return ignoreClosed(listener.Close()) })
	s.URL = localURL(o.Listen, listener)

	api, err := gateway.New(gateway.Options{Store: store, Index: records, Logger: o.Logger.With("part", "gateway")})
	if err != nil {
		return err
	}
	s.onEnd("gateway", func(context.Context) error { return api.Close() }) // where it never served
	workers, err := s.dispatcher(o, store, records, server)
	if err != nil {
		return err
	}
	s.run("index", records.Run)
	s.run("dispatcher", workers.Run)
	s.run("gateway", func(ctx context.Context) error {
		unhook := context.AfterFunc(ctx, func() { _ = api.Close() }) // Serve returns its error
		defer unhook()
		return ignoreClosed(api.Serve(listener))
	})
	return records.Ready(ctx)
}

// Connect opens a connection to the system's NATS server, in its application
// account: it may do everything. The system's end closes it.
func (s *System) Connect(name string) (*nats.Conn, error) { return s.server.Connect(name) }

// open connects the store and puts the API key into it.
func (s *System) open(ctx context.Context, server *embedded.Server, o Options) (*streams.Store, error) {
	nc, err := server.Connect("up")
	if err != nil {
		return nil, err
	}
	store, err := streams.Open(ctx, nc, streams.Options{Logger: o.Logger.With("part", "streams")})
	if err != nil {
		return nil, err
	}
	s.onEnd("store", func(context.Context) error { store.Close(); return nil })
	if s.Key = o.APIKey; s.Key == "" {
		if s.Key, err = keptKey(o.DataDir); err != nil {
			return nil, err
		}
	}
	if err := store.PutKey(ctx, s.Key, keyName, streams.RoleAdmin, ""); err != nil {
		return nil, fmt.Errorf("store the API key: %w", err)
	}
	// A key that was replaced opens nothing any more.
	if err := store.DropKeys(ctx, keyName, s.Key); err != nil {
		return nil, fmt.Errorf("drop the API key of an earlier run: %w", err)
	}
	return store, nil
}

func (s *System) dispatcher(o Options, store *streams.Store, records *index.Index, server *embedded.Server) (*dispatcher.Dispatcher, error) {
	logger := o.Logger.With("part", "dispatcher")
	options := process.DefaultOptions(o.DataDir)
	options.Command, options.Logger = o.Worker, logger
	provisioner, err := process.New(options)
	if err != nil {
		return nil, err
	}
	s.onEnd("provisioner", func(context.Context) error { return provisioner.Close() })
	builder, err := build.New(build.Options{
		Dir: filepath.Join(o.DataDir, "builds"), Environments: o.Environments, Python: o.Python, Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	return dispatcher.New(dispatcher.Options{
		Store: store, Index: records, Provisioner: provisioner, Builder: builder,
		MintWorker: server.MintWorker, NATSURL: s.NATSURL, APIURL: s.URL, Logger: logger,
	})
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
