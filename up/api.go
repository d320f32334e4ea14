package up

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"multinode/gateway"
)

// open takes the API's port, and knows from then on where it is.
func (s *System) open(ctx context.Context, a API) (net.Listener, error) {
	listener, err := listen(ctx, s.DataDir, a.Listen)
	if err != nil {
		return nil, err
	}
	s.onEnd("listener", func(context.Context) error { return ignoreClosed(listener.Close()) })
	s.URL = localURL(a, listener)
	s.servesAt(a.Listen, s.URL)
	if a.TLSCert == "" {
		return listener, nil
	}
	config, err := serverTLS(a.TLSCert, a.TLSKey)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(listener, config), nil
}

// serve makes the gateway, which begins to answer. Told to end it first says that
// it is not ready, for as long as it takes load balancers to notice.
func (s *System) serve(c core, a API, listener net.Listener, log *slog.Logger) error {
	api, err := gateway.New(gateway.Options{
		Store: c.store, Index: c.index, Logger: log.With("part", "gateway"), Connected: c.nc.IsConnected,
		MaxQueue: a.MaxQueue,
	})
	if err != nil {
		return err
	}
	s.onEnd("gateway", func(context.Context) error { return api.Close() }) // where it never served
	s.run("gateway", func(ctx context.Context) error {
		unhook := context.AfterFunc(ctx, func() {
			api.Drain()
			time.Sleep(a.Drain)
			_ = api.Close() // Serve returns its error
		})
		defer unhook()
		return ignoreClosed(api.Serve(listener))
	})
	s.parts[len(s.parts)-1].patience += a.Drain
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
