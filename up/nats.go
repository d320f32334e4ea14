package up

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/streams"
)

// NATS says how a process by itself reaches the servers.
type NATS struct {
	// URL is that of a server, or those of several, separated by commas.
	URL string
	// Creds is the credentials file of the control plane.
	Creds string
	// CA is a PEM file with the authorities that vouch for the servers, where the
	// machine does not know them; Cert and Key identify us, where they ask for it.
	// Workers are told the CA and nothing of the rest.
	CA, Cert, Key string
	// Replicas of every stream that is made; 0 means 3 on a cluster, else 1.
	Replicas int
}

const (
	// connectTimeout bounds the first connection to one server.
	connectTimeout = 10 * time.Second
	// storeTimeout is how long a cluster may take to be ready, and storeTry how long
	// one try: what is asked while a leader is elected is never answered.
	storeTimeout = time.Minute
	storeTry     = 10 * time.Second
	// accountPatience is how long the account may be unknown: to a server that starts it
	// is for a moment.
	accountPatience = 5 * time.Second
	// clusterReplicas is what a cluster is for.
	clusterReplicas = 3
)

func (n NATS) check() error {
	var errs []error
	if n.URL == "" {
		errs = append(errs, errors.New("the URL of NATS is not set"))
	}
	if n.Creds == "" {
		errs = append(errs, errors.New("the credentials file for NATS is not set"))
	} else if _, err := os.ReadFile(n.Creds); errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, fmt.Errorf("the credentials file %s does not exist", n.Creds))
	} else if err != nil {
		errs = append(errs, fmt.Errorf("read the credentials for NATS: %w", err))
	}
	if n.CA != "" {
		_, err := readCA(n.CA)
		errs = append(errs, err)
	}
	if n.Replicas < 0 || n.Replicas > 5 {
		errs = append(errs, fmt.Errorf("there can be 1 to 5 replicas, not %d", n.Replicas))
	}
	return errors.Join(append(errs, checkPair("the connection to NATS", n.Cert, n.Key))...)
}

// connect returns a connection that looks for a server for as long as it is open,
// whatever happens to the servers.
func (n NATS) connect(name string, log *slog.Logger) (*nats.Conn, error) {
	return n.connectAs(name, nats.UserCredentials(n.Creds), log)
}

// connectAs is connect with other credentials.
func (n NATS) connectAs(name string, creds nats.Option, log *slog.Logger) (*nats.Conn, error) {
	options := []nats.Option{
		nats.Name(name),
		creds,
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(400*time.Millisecond, 900*time.Millisecond), // not all at once
		// A server that is gone without a word is noticed after that many silences.
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(2),
		// While a server starts it may not know our account yet.
		nats.IgnoreAuthErrorAbort(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the connection to NATS is lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) { log.Info("connected to NATS again", "url", c.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("NATS connection", "subject", subject, "error", err)
		}),
	}
	if n.CA != "" {
		options = append(options, nats.RootCAs(n.CA))
	}
	if n.Cert != "" {
		options = append(options, nats.ClientCert(n.Cert, n.Key))
	}
	nc, err := nats.Connect(n.URL, options...)
	if err != nil {
		return nil, n.explain(err)
	}
	return nc, nil
}

// explain says what to do about a connection that could not be made.
func (n NATS) explain(err error) error {
	var resolving *net.DNSError
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAccountAuthExpired):
		return fmt.Errorf("NATS at %s does not accept the credentials of %s: they are of another installation, or have expired: %w", n.URL, n.Creds, err)
	case n.Cert == "" && demandsCertificate(err):
		return fmt.Errorf("NATS at %s demands a client certificate, it seems, and none was given: %w", n.URL, err)
	case errors.Is(err, nats.ErrNoServers), errors.As(err, &resolving), errors.Is(err, nats.ErrTimeout):
		return fmt.Errorf("no NATS server answers at %s: start it, or give another URL: %w", n.URL, err)
	}
	return fmt.Errorf("connect to NATS at %s: %w", n.URL, err)
}

// demandsCertificate tells whether a server refused a client without a certificate. That
// comes after the handshake, as an alert or as no more than a closed connection.
func demandsCertificate(err error) bool {
	text := err.Error()
	return strings.Contains(text, "certificate required") || strings.Contains(text, "after TLS handshake")
}

// replicas returns how many copies are kept of every stream.
func (n NATS) replicas(nc *nats.Conn) int {
	switch {
	case n.Replicas != 0:
		return n.Replicas
	case nc.ConnectedClusterName() != "":
		return clusterReplicas
	}
	return 1
}

// store opens the store, and waits for a cluster that is still electing.
func (n NATS) store(ctx context.Context, nc *nats.Conn, log *slog.Logger) (*streams.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	replicas := n.replicas(nc)
	if replicas > 1 && nc.ConnectedClusterName() == "" {
		return nil, fmt.Errorf("there cannot be %d replicas: the NATS server is no cluster", replicas)
	}
	unknown := time.Now().Add(accountPatience)
	for {
		try, done := context.WithTimeout(ctx, storeTry)
		store, err := streams.Open(try, nc, streams.Options{Replicas: replicas, Logger: log})
		done()
		switch {
		case err == nil:
			return store, nil
		case errors.Is(err, streams.ErrNoPeers):
			err = fmt.Errorf("the NATS cluster cannot keep %d replicas: %w", replicas, err)
		case errors.Is(err, streams.ErrNoAccount) && time.Now().Before(unknown):
		case !errors.Is(err, streams.ErrUnavailable):
			return nil, err
		}
		log.Warn("JetStream is not ready yet", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, err
		}
	}
}
