package up

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"
)

// Options say where the whole system keeps its data, where it listens and who may
// use it.
type Options struct {
	// DataDir is made where it is missing. One system at a time may use it.
	DataDir string
	API
	Dispatch
	// NATSListen is the HOST:PORT of NATS. Port 0 takes the port that this data
	// folder used before, or any free one the first time.
	NATSListen string
	// NATSTLSCert and NATSTLSKey are PEM files with which NATS is served; NATSCA is
	// the one by which workers know that certificate, where the machine does not.
	NATSTLSCert, NATSTLSKey, NATSCA string
	// SyncAlways makes "accepted" mean "on disk". Without it the last moments
	// before a power cut may be lost.
	SyncAlways bool
	Logger     *slog.Logger
}

// API says how the REST API is served.
type API struct {
	// Listen is HOST:PORT. Port 0 takes the port that the data folder used before,
	// or any free one the first time: workers of an earlier run look for it there.
	Listen string
	// APIKey opens the REST API. For a whole system, empty means a key that is made
	// once and kept in the data folder; it then listens on the loopback interface
	// only. For a gateway it means that the keys which are stored have to do.
	APIKey string
	// TLSCert and TLSKey are PEM files. They are read again when they change.
	TLSCert, TLSKey string
	// Drain is how long an API that is stopped goes on serving, while it says that
	// it is not ready, so that load balancers send requests elsewhere.
	Drain time.Duration
	// MaxQueue is how many invocations of a function may wait before more are
	// answered 429; 0 means a million.
	MaxQueue int
}

// Dispatch says how invocations are run.
type Dispatch struct {
	// Provisioner is the kind of compute; empty means ProcessProvisioner.
	Provisioner string
	Docker      Docker
	Fargate     Fargate
	Containers  Containers
	// MaxWorkers is how many workers of this dispatcher may run at a time; 0 means no
	// limit.
	MaxWorkers int
	// Worker is the command that runs a worker; empty means this executable with
	// the argument "runner".
	Worker []string
	// Python is the interpreter that projects' environments are made with; empty
	// means python3 of the PATH.
	Python string
	// Environments is the folder of those environments; empty means one in the data
	// folder. Another one may be shared by several systems.
	Environments string
	// APIURL and WorkerNATSURL are where workers reach the API and NATS. Empty means
	// the system's own address, or that of the dispatcher's NATS; a dispatcher by
	// itself has to be told APIURL.
	APIURL        string
	WorkerNATSURL string
	// APICA is a PEM file of the authorities by which workers and builds in containers
	// know the API's certificate, besides those of their image.
	APICA string
	// Retention is how long finished invocations are kept; 0 means for good.
	Retention time.Duration
	// RetentionBytes is what invocations may take: above it those that finished
	// first go sooner. 0 means half of what may be stored.
	RetentionBytes int64
}

// DefaultRetention is the command line's.
const DefaultRetention = 7 * 24 * time.Hour

// GatewayOptions are those of a gateway by itself.
type GatewayOptions struct {
	// DataDir is made where it is missing. One gateway at a time may use it.
	DataDir string
	NATS
	API
	Logger *slog.Logger
}

// DispatcherOptions are those of a dispatcher by itself.
type DispatcherOptions struct {
	// DataDir is made where it is missing. One dispatcher at a time may use it.
	DataDir string
	NATS
	Dispatch
	// Authority is the file with the keys that sign workers' credentials.
	Authority string
	Logger    *slog.Logger
}

// DefaultOptions listen on the loopback interface, on ports of the data folder's
// own, and sync every write.
func DefaultOptions(dataDir string) Options {
	return Options{
		DataDir: dataDir, API: API{Listen: "127.0.0.1:0"}, NATSListen: "127.0.0.1:0",
		SyncAlways: true, Logger: slog.New(slog.DiscardHandler),
	}
}

// ErrKeyRequired says that the API is to be reachable from elsewhere, which needs
// a key that somebody chose.
var ErrKeyRequired = errors.New("an API key has to be set")

// MinKey is the shortest API key, in bytes, that may open an API which is reachable
// from elsewhere.
const MinKey = 16

// ErrKeyTooShort says that the API is to be reachable from elsewhere, with a key that
// is shorter than MinKey.
var ErrKeyTooShort = fmt.Errorf("the API key is too short: at least %d characters are needed", MinKey)

// Check returns every problem of the options at once. Start does it too.
func (o Options) Check() error {
	errs := []error{checkFolder(o.DataDir, o.Logger), o.API.check(), o.Dispatch.check()}
	host, err := splitAddress(o.Listen)
	if err == nil && !loopback(host) {
		switch {
		case o.APIKey == "":
			errs = append(errs, fmt.Errorf("%s can be reached from other machines: %w", o.Listen, ErrKeyRequired))
		case len(o.APIKey) < MinKey:
			errs = append(errs, fmt.Errorf("%s can be reached from other machines: %w", o.Listen, ErrKeyTooShort))
		}
	}
	_, err = splitAddress(o.NATSListen)
	errs = append(errs, err, checkPair("NATS", o.NATSTLSCert, o.NATSTLSKey))
	if o.NATSCA != "" {
		_, err := readCA(o.NATSCA)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Check returns every problem of the options at once. StartGateway does it too.
func (o GatewayOptions) Check() error {
	return errors.Join(checkFolder(o.DataDir, o.Logger), o.NATS.check(), o.API.check())
}

// Check returns every problem of the options at once. StartDispatcher does it too.
func (o DispatcherOptions) Check() error {
	errs := []error{checkFolder(o.DataDir, o.Logger), o.NATS.check(), o.Dispatch.check()}
	if o.APIURL == "" {
		errs = append(errs, errors.New("the URL is not set at which workers reach the API"))
	}
	if o.Provisioner == DockerProvisioner && o.Containers.Repository == "" {
		errs = append(errs, errors.New("the repository is not set where images are kept: all dispatchers need the same one"))
	}
	if o.Authority == "" {
		errs = append(errs, errors.New("the authority's file, with which workers' credentials are signed, is not set"))
	}
	return errors.Join(errs...)
}

func checkFolder(dir string, logger *slog.Logger) error {
	var errs []error
	if dir == "" {
		errs = append(errs, errors.New("the data folder is not set"))
	}
	if logger == nil {
		errs = append(errs, errors.New("the logger is not set"))
	}
	return errors.Join(errs...)
}

// Clear tells whether the API is reachable from elsewhere without TLS.
func (a API) Clear() bool {
	host, err := splitAddress(a.Listen)
	return err == nil && a.TLSCert == "" && !loopback(host)
}

func (a API) check() error {
	_, err := splitAddress(a.Listen)
	errs := []error{err, checkPair("API", a.TLSCert, a.TLSKey)}
	if a.Drain < 0 {
		errs = append(errs, fmt.Errorf("the time to drain is negative: %v", a.Drain))
	}
	if a.MaxQueue < 0 {
		errs = append(errs, fmt.Errorf("the limit of a function's queue is negative: %d", a.MaxQueue))
	}
	return errors.Join(errs...)
}

func (d Dispatch) check() error {
	if d.Retention < 0 || d.RetentionBytes < 0 {
		return errors.New("the retention of finished invocations is negative")
	}
	if d.APICA != "" {
		if _, err := readCA(d.APICA); err != nil {
			return err
		}
	}
	if err := d.checkProvisioner(); err != nil || d.APIURL == "" {
		return err
	}
	if u, err := url.Parse(d.APIURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("the API's URL %q is not like https://HOST", d.APIURL)
	}
	return nil
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
