package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"

	"multinode"
	"multinode/trust"
)

const (
	pingInterval  = 30 * time.Second
	writeDeadline = 10 * time.Second
	authTimeout   = 5 * time.Second
)

// Server is a running nats-server.
type Server struct {
	options   Options
	authority *trust.Authority
	lock      *flock.Flock
	server    *server.Server
	log       *serverLog
	port      int
	conns     connections
	// revoking is held while the claims of the workers' account change.
	revoking sync.Mutex

	started chan struct{} // closed when the server's own start has returned
	closing sync.Once
	closed  chan struct{} // closed when the server is down and the lock released
	unlock  error         // read after closed
}

// Start brings the server up on the data folder, finding everything that an
// earlier run left there, and returns when it accepts connections. It returns
// ErrInUse, wrapped, when another server uses the folder. If ctx ends first, it
// returns ctx's error and takes the server down again.
func Start(ctx context.Context, o Options) (_ *Server, err error) {
	host, port, err := o.check()
	if err != nil {
		return nil, fmt.Errorf("start the embedded NATS server: %w", err)
	}
	dir := filepath.Join(o.DataDir, "nats")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	lock, err := lockFolder(o.DataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, lock: lock, started: make(chan struct{}), closed: make(chan struct{})}
	if err := s.start(ctx, dir, host, port); err != nil {
		if s.server == nil {
			return nil, errors.Join(err, lock.Close())
		}
		if ctx.Err() != nil {
			s.shutdown() // in the background: it has to wait for recovery
			return nil, err
		}
		return nil, errors.Join(err, s.Close(ctx))
	}
	// It runs on where nobody holds it any more, and so does its lock, which would
	// be let go of with the garbage.
	go func() {
		<-s.closed
		runtime.KeepAlive(s)
	}()
	return s, nil
}

func (s *Server) start(ctx context.Context, dir, host string, port int) (err error) {
	if s.authority, err = trust.LoadOrCreate(AuthorityFile(s.options.DataDir)); err != nil {
		return err
	}
	if s.port, err = choosePort(ctx, dir, host, port); err != nil {
		return err
	}
	limit := s.options.MaxStore
	if limit == 0 {
		if limit, err = maxStore(dir); err != nil {
			return err
		}
	}
	operator, system, resolver, err := accounts(s.authority, limit, s.options.WorkerConnections)
	if err != nil {
		return err
	}
	tlsConfig, err := s.options.tls()
	if err != nil {
		return err
	}
	s.server, err = server.NewServer(&server.Options{
		TLS:                tlsConfig != nil,
		TLSConfig:          tlsConfig,
		TLSTimeout:         authTimeout.Seconds(),
		ServerName:         "multinode",
		Host:               host,
		Port:               s.port,
		NoSigs:             true,
		MaxConn:            trust.MaxConnections,
		MaxPayload:         multinode.MaxPayload,
		MaxControlLine:     trust.MaxControlLine,
		PingInterval:       pingInterval,
		WriteDeadline:      writeDeadline,
		AuthTimeout:        authTimeout.Seconds(),
		JetStream:          true,
		StoreDir:           dir, // the server adds "jetstream"
		SyncAlways:         s.options.SyncAlways,
		JetStreamMaxStore:  limit,
		JetStreamMaxMemory: jetStreamMemory,
		TrustedOperators:   []*jwt.OperatorClaims{operator},
		SystemAccount:      system,
		AccountResolver:    resolver,
	})
	if err != nil {
		return fmt.Errorf("configure the embedded NATS server: %w", err)
	}
	s.log = newServerLog(s.options.Logger)
	s.server.SetLoggerV2(s.log, false, false, false)
	if err = s.await(ctx, s.log); err != nil {
		return err
	}
	// Only now: a port that was never listened on is not worth keeping.
	if err = writeJSON(listenPath(dir), listenState{Port: s.port}); err != nil {
		return fmt.Errorf("keep the port for the next run: %w", err)
	}
	s.options.Logger.Debug("embedded NATS server started", "url", s.URL(), "max_store_bytes", limit, "sync_always", s.options.SyncAlways)
	return nil
}

// await starts the server and returns once it listens.
func (s *Server) await(ctx context.Context, log *serverLog) error {
	go func() {
		defer close(s.started)
		s.server.Start() // returns when everything is recovered and it listens
	}()
	select {
	case <-s.started:
	case <-ctx.Done():
		return fmt.Errorf("start the embedded NATS server: %w", ctx.Err())
	}
	if text, failed := log.failure(); failed {
		return fmt.Errorf("start the embedded NATS server: %s", text)
	}
	if s.server.Addr() == nil {
		return errors.New("start the embedded NATS server: it does not listen; its log lines say why")
	}
	return nil
}

// URL is where programs on this machine reach the server. It is the same after
// every restart, unless another port is asked for.
func (s *Server) URL() string {
	host, _, err := net.SplitHostPort(s.options.Listen)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "nats://"
	if s.options.TLSCert != "" {
		scheme = "tls://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(s.port))
}

// Close ends the connections made by Connect, then the server, and lets go of
// the data folder. It returns when all that is done, or with ctx's error; then
// it goes on in the background. It may be called more than once. The server
// takes some 10 ms for each consumer; ending the process instead loses nothing
// that was acknowledged, with SyncAlways.
func (s *Server) Close(ctx context.Context) error {
	s.shutdown()
	select {
	case <-s.closed:
		return s.unlock
	case <-ctx.Done():
		return fmt.Errorf("the embedded NATS server is still closing: %w", ctx.Err())
	}
}

func (s *Server) shutdown() {
	s.closing.Do(func() {
		go func() {
			defer close(s.closed)
			s.conns.closeAll()
			<-s.started
			s.server.Shutdown()
			s.server.WaitForShutdown()
			s.unlock = s.lock.Close()
		}()
	})
}
