package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
)

// Options say where the server keeps its data and where it listens.
type Options struct {
	// DataDir is made if it is missing. One server at a time may use it.
	DataDir string
	// Listen is HOST:PORT. Port 0 takes the port that this data folder used
	// before, or any free one the first time.
	Listen string
	// TLSCert and TLSKey are PEM files; with them the server asks for TLS, except
	// of connections that do not go over the network.
	TLSCert, TLSKey string
	// SyncAlways makes "accepted" mean "on disk": every write is synced before
	// it is acknowledged. Without it, up to two minutes of accepted messages are
	// lost when the machine (not the process) goes down.
	SyncAlways bool
	// MaxStore is how many bytes may be stored; beyond it publishes are refused
	// with a JetStream error. 0 takes what is stored already plus the free disk
	// less a reserve of 10 % of the disk, at most 10 GiB. It is worked out once,
	// at the start. JetStream shows it as the account's limit.
	MaxStore int64
	// WorkerConnections is how many connections workers may have in all; 0 means
	// three quarters of what the server takes. There is no limit for each of them.
	WorkerConnections int64
	// Logger gets the server's errors, its warnings as info, and its notices as debug.
	Logger *slog.Logger
}

// DefaultOptions listen on the loopback interface, on a port of their own, and
// sync every write.
func DefaultOptions(dataDir string) Options {
	return Options{
		DataDir:    dataDir,
		Listen:     "127.0.0.1:0",
		SyncAlways: true,
		Logger:     slog.Default(),
	}
}

// check returns the host and port to listen on, or every problem at once.
func (o Options) check() (host string, port int, err error) {
	var errs []error
	if o.DataDir == "" {
		errs = append(errs, errors.New("the data folder is not set"))
	}
	if o.MaxStore < 0 {
		errs = append(errs, fmt.Errorf("the storage limit is negative: %d", o.MaxStore))
	}
	host, text, err := net.SplitHostPort(o.Listen)
	if err != nil {
		errs = append(errs, fmt.Errorf("the NATS listen address %q is not HOST:PORT: %w", o.Listen, err))
	} else if port, err = strconv.Atoi(text); err != nil || port < 0 || port > 65535 {
		errs = append(errs, fmt.Errorf("the NATS listen address %q needs a port from 0 to 65535", o.Listen))
	}
	if o.Logger == nil {
		errs = append(errs, errors.New("the logger is not set"))
	}
	return host, port, errors.Join(errs...)
}
