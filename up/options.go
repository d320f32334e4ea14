package up

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
)

// Options say where the system keeps its data, where it listens and who may use
// it.
type Options struct {
	// DataDir is made where it is missing. One system at a time may use it.
	DataDir string
	// Listen is the HOST:PORT of the REST API, and NATSListen that of NATS. Port 0
	// takes the port that this data folder used before, or any free one the first
	// time: workers of an earlier run look for it there.
	Listen     string
	NATSListen string
	// APIKey opens the REST API. Empty means a key that is made once and kept in
	// the data folder; the API then listens on the loopback interface only.
	APIKey string
	// Worker is the command that runs a worker; empty means this executable with
	// the argument "runner".
	Worker []string
	// Python is the interpreter that projects' environments are made with; empty
	// means python3 of the PATH.
	Python string
	// Environments is the folder of those environments; empty means one in the data
	// folder. Another one may be shared by several systems.
	Environments string
	// SyncAlways makes "accepted" mean "on disk". Without it the last moments
	// before a power cut may be lost.
	SyncAlways bool
	Logger     *slog.Logger
}

// DefaultOptions listen on the loopback interface, on ports of the data folder's
// own, and sync every write.
func DefaultOptions(dataDir string) Options {
	return Options{
		DataDir: dataDir, Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0",
		SyncAlways: true, Logger: slog.New(slog.DiscardHandler),
	}
}

// ErrKeyRequired says that the API is to be reachable from elsewhere, which needs
// a key that somebody chose.
var ErrKeyRequired = errors.New("an API key has to be set")

// Check returns every problem of the options at once. Start does it too.
func (o Options) Check() error {
	var errs []error
	if o.DataDir == "" {
		errs = append(errs, errors.New("the data folder is not set"))
	}
	if o.Logger == nil {
		errs = append(errs, errors.New("the logger is not set"))
	}
	host, err := splitAddress(o.Listen)
	errs = append(errs, err)
	if err == nil && o.APIKey == "" && !loopback(host) {
		errs = append(errs, fmt.Errorf("%s can be reached from other machines: %w", o.Listen, ErrKeyRequired))
	}
	_, err = splitAddress(o.NATSListen)
	return errors.Join(append(errs, err)...)
}

func splitAddress(address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("the listen address %q is not HOST:PORT", address)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("the listen address %q needs a port from 0 to 65535", address)
	}
	return host, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
