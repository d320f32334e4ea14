package embedded

import (
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// connectTimeout is generous: on a busy machine a handshake takes its time, and
// nothing is won by giving up.
const connectTimeout = 10 * time.Second

// Connect returns a connection to the application account that does not go over
// the network. It reconnects for as long as the server runs; Close closes it,
// if the caller has not. The name shows in the server's own reports.
func (s *Server) Connect(name string) (*nats.Conn, error) {
	access, err := s.appAccess(name)
	if err != nil {
		return nil, fmt.Errorf("connect %q to the embedded NATS server: %w", name, err)
	}
	conn, err := nats.Connect("", append(access, nats.InProcessServer(s.server))...)
	if err != nil {
		return nil, fmt.Errorf("connect %q to the embedded NATS server: %w", name, err)
	}
	if !s.conns.add(conn) {
		return nil, fmt.Errorf("connect %q to the embedded NATS server: %w", name, nats.ErrConnectionClosed)
	}
	return conn, nil
}

// ConnectOptions are for connections to the application account over the
// network, by whoever runs in this process. The error of minting them comes
// with the connection.
func (s *Server) ConnectOptions() (url string, options []nats.Option) {
	access, err := s.appAccess("multinode")
	if err != nil {
		access = []nats.Option{func(*nats.Options) error { return err }}
	}
	return s.URL(), access
}

func (s *Server) appAccess(name string) ([]nats.Option, error) {
	claims, sign, err := s.authority.AppUser(name)
	if err != nil {
		return nil, err
	}
	log := s.options.Logger
	return []nats.Option{
		nats.Name(name),
		nats.UserJWT(func() (string, error) { return claims, nil }, sign),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.Timeout(connectTimeout),
		// Without a handler the client prints to standard error.
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("NATS connection", "name", name, "subject", subject, "error", err)
		}),
	}, nil
}

// connections remembers the open ones, to close them with the server: they
// would try to reconnect for ever.
type connections struct {
	mu     sync.Mutex
	open   map[*nats.Conn]struct{}
	closed bool
}

// add returns false, and closes the connection, once closeAll was called.
func (c *connections) add(conn *nats.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		conn.Close()
		return false
	}
	if c.open == nil {
		c.open = make(map[*nats.Conn]struct{})
	}
	for old := range c.open {
		if old.IsClosed() {
			delete(c.open, old)
		}
	}
	c.open[conn] = struct{}{}
	return true
}

func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		conn.Close()
	}
	clear(c.open)
}
