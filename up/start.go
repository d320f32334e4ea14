package up

import (
	"context"
	"fmt"

	"multinode/embedded"
	"multinode/streams"
	"multinode/trust"
)

// Start brings the whole system up and returns when it serves requests. It finds
// everything that an earlier run on the data folder left there, its workers
// included. The context bounds the start only; end the system with Stop. A folder
// that another system uses is embedded.ErrInUse, wrapped.
func Start(ctx context.Context, o Options) (*System, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("start the system: %w", err)
	}
	return launch(o.DataDir, o.Logger, func(s *System) error {
		c, err := s.embed(ctx, o)
		if err != nil {
			return err
		}
		if s.Key = o.APIKey; s.Key == "" {
			if s.Key, err = keptKey(s.DataDir); err != nil {
				return err
			}
		}
		if err := c.admit(ctx, s.Key); err != nil {
			return err
		}
		listener, err := s.open(ctx, o.API)
		if err != nil {
			return err
		}
		d := o.Dispatch
		if d.APIURL == "" {
			d.APIURL = s.URL
		}
		if d.WorkerNATSURL == "" {
			d.WorkerNATSURL = s.NATSURL
		}
		ca, err := optionalCA(o.NATSCA)
		if err != nil {
			return err
		}
		if err := s.dispatch(ctx, c, d, ca, s.server, s.server.RevokeWorkers, o.Logger); err != nil {
			return err
		}
		if err := s.serve(c, o.API, listener, o.Logger); err != nil {
			return err
		}
		return c.index.Ready(ctx)
	})
}

// embed starts the NATS server of this process, and opens the store on it.
func (s *System) embed(ctx context.Context, o Options) (core, error) {
	server, err := embedded.Start(ctx, embedded.Options{
		DataDir: s.DataDir, Listen: o.NATSListen, SyncAlways: o.SyncAlways,
		TLSCert: o.NATSTLSCert, TLSKey: o.NATSTLSKey, Logger: o.Logger.With("part", "nats"),
	})
	if err != nil {
		return core{}, err
	}
	s.server = server
	s.onEnd("embedded NATS server", server.Close)
	s.run("the embedded NATS server", server.Watch)
	s.NATSURL = server.URL()
	s.servesAt(o.NATSListen, s.NATSURL)
	nc, err := server.Connect("up")
	if err != nil {
		return core{}, err
	}
	store, err := streams.Open(ctx, nc, streams.Options{Room: server.Room, Logger: o.Logger.With("part", "streams")})
	if err != nil {
		return core{}, err
	}
	return s.core(nc, store, o.Logger)
}

// StartGateway brings a gateway up, and returns when it serves requests. Any
// number of them may run. See Start for the rest.
func StartGateway(ctx context.Context, o GatewayOptions) (*System, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("start the gateway: %w", err)
	}
	return launch(o.DataDir, o.Logger, func(s *System) error {
		c, err := s.remote(ctx, o.NATS, "multinode gateway", o.Logger)
		if err != nil {
			return err
		}
		if s.Key = o.APIKey; s.Key == "" {
			err = c.administered(ctx)
		} else {
			err = c.admit(ctx, s.Key)
		}
		if err != nil {
			return err
		}
		// A load balancer is to find it only once it knows what there is.
		if err := c.index.Ready(ctx); err != nil {
			return err
		}
		listener, err := s.open(ctx, o.API)
		if err != nil {
			return err
		}
		return s.serve(c, o.API, listener, o.Logger)
	})
}

// StartDispatcher brings a dispatcher up. Any number of them may run. See Start
// for the rest.
func StartDispatcher(ctx context.Context, o DispatcherOptions) (*System, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("start the dispatcher: %w", err)
	}
	authority, err := trust.Load(o.Authority)
	if err != nil {
		return nil, fmt.Errorf("start the dispatcher: %w", err)
	}
	if err := authority.Vouches(o.Creds); err != nil {
		return nil, fmt.Errorf("start the dispatcher: %w", err)
	}
	ca, err := optionalCA(o.CA)
	if err != nil {
		return nil, fmt.Errorf("start the dispatcher: %w", err)
	}
	return launch(o.DataDir, o.Logger, func(s *System) error {
		c, err := s.remote(ctx, o.NATS, "multinode dispatcher", o.Logger)
		if err != nil {
			return err
		}
		d := o.Dispatch
		if d.WorkerNATSURL == "" {
			d.WorkerNATSURL = o.URL
		}
		if err := s.dispatch(ctx, c, d, ca, authority, s.newRevoker(o.NATS, authority, o.Logger).RevokeWorkers, o.Logger); err != nil {
			return err
		}
		return c.index.Ready(ctx)
	})
}

func optionalCA(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return readCA(path)
}
