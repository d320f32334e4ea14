package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"

	"multinode/streams"
	"multinode/streams/index"
)

// Sizes of the HTTP server's buffers, in bytes.
const (
	// maxHeaders holds a path with a function name of 1,023 code points, each
	// percent-encoded to twelve bytes, and the headers.
	maxHeaders = 32 << 10
	// maxPrefetch is read of a body before its request is authenticated.
	maxPrefetch = 64 << 10
)

// readTimeout is how long a request may take to come in, except for a bundle.
const readTimeout = time.Minute

// idleTimeout is how long a connection may stay without a request.
const idleTimeout = 2 * time.Minute

// Gateway serves the REST API.
type Gateway struct {
	options   Options
	log       *slog.Logger
	store     *streams.Store
	index     *index.Index
	app       *fiber.App
	creations *creations
	waiters   waiters
	openAPI   []byte
	now       func() time.Time
	draining  atomic.Bool

	// closing ends with the gateway: whoever waits for news waits for it too.
	closing  context.Context
	close    context.CancelFunc
	streams  sync.WaitGroup
	closeOne sync.Once
	closed   error
}

// New checks the options and makes a gateway that is not serving yet. It has to
// be closed, by Run, Serve or Close.
func New(o Options) (*Gateway, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	g := &Gateway{
		options: o, log: o.Logger, store: o.Store, index: o.Index,
		waiters: waiters{most: o.MaxWaiters},
		now:     func() time.Time { return time.Now().UTC() },
	}
	routes := routes(o)
	document, err := describe(routes)
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	g.openAPI = document
	g.closing, g.close = context.WithCancel(context.Background())
	g.creations = newCreations(o)
	g.app = fiber.New(fiber.Config{
		AppName:       "multinode",
		CaseSensitive: true,
		// Bodies beyond the prefetch are read by the handler, within its own limit.
		BodyLimit:                    maxPrefetch,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		DisableHeadAutoRegister:      true,
		ReadBufferSize:               maxHeaders,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 o.WriteTimeout,
		IdleTimeout:                  idleTimeout,
		ErrorHandler:                 g.answerError,
	})
	g.app.Server().CloseOnShutdown = true
	g.app.Use(g.guard, g.leave)
	for _, r := range routes {
		g.register(g.app, r)
	}
	g.registerBuilds(g.app)
	g.streams.Go(g.endVoid)
	return g, nil
}

// Handler returns the HTTP handler by itself.
func (g *Gateway) Handler() fasthttp.RequestHandler { return g.app.Handler() }

// Run listens on Options.Listen and serves until ctx ends.
func (g *Gateway) Run(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", g.options.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("the gateway cannot listen: %w", err), g.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = g.Close() }) // Serve returns its error
	defer stop()
	return g.Serve(listener)
}

// Serve serves on the listener until Close; it returns once everything has
// ended.
func (g *Gateway) Serve(listener net.Listener) error {
	g.log.Info("the gateway is listening", "address", listener.Addr().String())
	// A Close that came before the server was up would not be noticed by it.
	stop := context.AfterFunc(g.closing, func() { _ = listener.Close() })
	defer stop()
	err := g.app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
	return errors.Join(err, g.Close())
}

// Close ends event streams and long-polls, waits for the other requests and for
// the records that are being created, for at most Options.ShutdownTimeout each.
// It may be called several times.
func (g *Gateway) Close() error {
	g.closeOne.Do(func() {
		g.close()
		ctx, cancel := context.WithTimeout(context.Background(), g.options.ShutdownTimeout)
		defer cancel()
		if err := g.app.ShutdownWithContext(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
			g.closed = fmt.Errorf("requests were cut off by the shutdown of the gateway: %w", err)
		}
		g.streams.Wait()
		g.creations.close(g.options.ShutdownTimeout)
	})
	return g.closed
}
