package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"multinode"
	"multinode/streams"
	"multinode/streams/index"
	"multinode/wire"
)

// Options of a Gateway. Zero values stand for those of DefaultOptions; Store and
// Index have none.
type Options struct {
	Store  *streams.Store
	Index  *index.Index
	Logger *slog.Logger
	// Connected tells whether the line to NATS stands; nil means always.
	Connected func() bool
	// Listen is the HOST:PORT that Run listens on; port 0 means any.
	Listen string
	// ContainerRepository is given to those who deploy container images; nil
	// means that there is none.
	ContainerRepository *wire.ContainerRepositoryCredentials

	// MaxBody bounds a JSON body and MaxBundle a code archive, in bytes.
	MaxBody   int
	MaxBundle int64
	// MaxWaiters bounds how many requests may wait for news at the same time:
	// long-polls and event streams.
	MaxWaiters int
	// MaxQueue is how many invocations of a function may wait before more are
	// refused, about: those that clients put on NATS count, but are not refused.
	MaxQueue int
	// RequestTimeout bounds a request that waits for nothing but the store.
	RequestTimeout time.Duration
	// UploadTimeout bounds the upload of a code archive.
	UploadTimeout time.Duration
	// WriteTimeout is how long a client may take to read what it was sent.
	WriteTimeout time.Duration
	// Heartbeat is the longest silence of an event stream.
	Heartbeat time.Duration
	// ShutdownTimeout bounds how long a shutdown waits for requests to end.
	ShutdownTimeout time.Duration
	// Creators is how many records are created at the same time after the
	// acceptance of their requests, CreationBacklog how many may wait for that.
	Creators        int
	CreationBacklog int

	// record reads a record from whichever server answers; nil means the store's. It
	// stands here for tests, whose only server never lags behind.
	record readRecord
}

type readRecord func(context.Context, multinode.InvocationKey) (multinode.Invocation, uint64, error)

// DefaultOptions returns everything but Store, Index and Logger.
func DefaultOptions() Options {
	return Options{
		Listen:          "127.0.0.1:0",
		MaxBody:         4 << 20, // 250,000 code points, each escaped as a pair of \uXXXX
		MaxBundle:       wire.MaxBundle,
		MaxWaiters:      10_000,
		MaxQueue:        1_000_000,
		RequestTimeout:  15 * time.Second,
		UploadTimeout:   15 * time.Minute,
		WriteTimeout:    30 * time.Second,
		Heartbeat:       15 * time.Second,
		ShutdownTimeout: 10 * time.Second,
		Creators:        4,
		CreationBacklog: 16384,
	}
}

func (o *Options) fill() error {
	d := DefaultOptions()
	setDefault(&o.Listen, d.Listen)
	setDefault(&o.MaxBody, d.MaxBody)
	setDefault(&o.MaxBundle, d.MaxBundle)
	setDefault(&o.MaxWaiters, d.MaxWaiters)
	setDefault(&o.MaxQueue, d.MaxQueue)
	setDefault(&o.RequestTimeout, d.RequestTimeout)
	setDefault(&o.UploadTimeout, d.UploadTimeout)
	setDefault(&o.WriteTimeout, d.WriteTimeout)
	setDefault(&o.Heartbeat, d.Heartbeat)
	setDefault(&o.ShutdownTimeout, d.ShutdownTimeout)
	setDefault(&o.Creators, d.Creators)
	setDefault(&o.CreationBacklog, d.CreationBacklog)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	check := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New("gateway options: "+text))
		}
	}
	check(o.Store != nil, "Store is missing")
	check(o.Index != nil, "Index is missing")
	check(o.MaxBody > 0 && o.MaxBundle > 0 && o.MaxWaiters > 0 && o.MaxQueue > 0, "limits must be above 0")
	check(o.RequestTimeout > 0 && o.UploadTimeout > 0 && o.WriteTimeout > 0 && o.Heartbeat > 0 && o.ShutdownTimeout > 0,
		"durations must be above 0")
	check(o.Creators > 0 && o.CreationBacklog > 0, "Creators and CreationBacklog must be above 0")
	if o.record == nil && o.Store != nil {
		o.record = o.Store.Record
	}
	return errors.Join(errs...)
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}
