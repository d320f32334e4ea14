package natsconfig

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Options describe the servers.
type Options struct {
	// Servers are one, or three or five that form a cluster.
	Servers []Server
	// StoreDir is the folder, on each server, for its data.
	StoreDir string
	// MaxStore is how many bytes each server may store. Leave a tenth of the disk
	// free beside it.
	MaxStore int64
	// MonitorPort is where each server tells its state on the loopback interface; 0
	// means nowhere.
	MonitorPort int
	// TLSCert, TLSKey and TLSCA are paths on the servers, of PEM files; empty means
	// no TLS. The servers of a cluster identify each other by them too.
	TLSCert, TLSKey, TLSCA string
}

// Server is where one server listens. Host is the name or address by which
// clients and the other servers reach it.
type Server struct {
	Host        string
	Port        int
	ClusterPort int
}

// Ports where none are given.
const (
	defaultPort        = 4222
	defaultClusterPort = 6222
)

// ParseServer reads HOST, HOST:PORT or HOST:PORT:CLUSTER_PORT. An IPv6 address is
// in brackets.
func ParseServer(text string) (Server, error) {
	s := Server{Port: defaultPort, ClusterPort: defaultClusterPort}
	host, rest := text, ""
	if end := strings.IndexByte(text, ']'); strings.HasPrefix(text, "[") && end > 0 {
		host, rest = text[1:end], text[end+1:]
	} else if colon := strings.IndexByte(text, ':'); colon >= 0 {
		host, rest = text[:colon], text[colon:]
	}
	s.Host = host
	var ports []string
	if rest != "" {
		ports = strings.Split(rest, ":")[1:]
	}
	bad := fmt.Errorf("the server %q is not HOST, HOST:PORT or HOST:PORT:CLUSTER_PORT", text)
	if s.Host == "" || len(ports) > 2 || rest != "" && rest[0] != ':' {
		return Server{}, bad
	}
	for i, into := range []*int{&s.Port, &s.ClusterPort}[:len(ports)] {
		n, err := strconv.Atoi(ports[i])
		if err != nil || n < 1 || n > 65535 {
			return Server{}, bad
		}
		*into = n
	}
	return s, nil
}

// Address is where clients reach the server.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

func (s Server) routeAddress() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.ClusterPort)) }

// Listen is the address that the server binds: its own, or all where it has a
// name, which may stand for another.
func (s Server) Listen() string {
	if net.ParseIP(s.Host) == nil {
		return "0.0.0.0"
	}
	return s.Host
}

// Check returns every problem at once. Write does it too.
func (o Options) Check() error {
	var errs []error
	switch len(o.Servers) {
	case 1, 3, 5:
	default:
		errs = append(errs, fmt.Errorf("there can be 1 server, or a cluster of 3 or 5, not %d", len(o.Servers)))
	}
	seen := map[string]bool{}
	for _, s := range o.Servers {
		for _, address := range []string{s.Address(), s.routeAddress()} {
			if seen[address] {
				errs = append(errs, fmt.Errorf("the address %s is used twice", address))
			}
			seen[address] = true
		}
	}
	if !strings.HasPrefix(o.StoreDir, "/") {
		errs = append(errs, fmt.Errorf("the store folder %q is not an absolute path", o.StoreDir))
	}
	if o.MaxStore < 1<<30 {
		errs = append(errs, fmt.Errorf("the servers need at least 1 GiB of storage, not %d bytes", o.MaxStore))
	}
	if o.MonitorPort < 0 || o.MonitorPort > 65535 {
		errs = append(errs, fmt.Errorf("the monitoring port %d is not from 0 to 65535", o.MonitorPort))
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		errs = append(errs, errors.New("TLS needs a certificate and a key, and one of them is not set"))
	}
	if o.TLSCert == "" && o.TLSCA != "" {
		errs = append(errs, errors.New("a certificate authority without a certificate does nothing"))
	}
	if o.TLSCert != "" && o.TLSCA == "" && len(o.Servers) > 1 {
		errs = append(errs, errors.New("the servers of a cluster know each other by a certificate authority, which is not set"))
	}
	return errors.Join(errs...)
}
