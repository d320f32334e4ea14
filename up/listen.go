package up

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"multinode/internal/atomicfile"
	kept "multinode/internal/port"
)

// listen opens the API's port: the wanted one, else the one this data folder used
// before, else any free one.
func listen(ctx context.Context, dir, address string) (net.Listener, error) {
	return listenKept(ctx, filepath.Join(dir, "api-port"), address)
}

// listenKept opens the wanted port, else the one that the file names, which is
// written anew.
func listenKept(ctx context.Context, path, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	from := "asked for"
	if port == "0" {
		before, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read the port of the last run: %w", err)
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(before)), 10, 16); err == nil {
			port, from = strconv.FormatUint(n, 10), "used by this data folder before, where its workers look for it"
		}
	}
	number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return nil, err
	}
	listener, err := kept.Listen(ctx, host, number)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %s (%s) is taken by another program: stop that program, or choose another address: %w", port, from, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: choose another address: %w", address, err)
	}
	if err := atomicfile.Write(path, []byte(strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("keep the port for the next run: %w", err), listener.Close())
	}
	return listener, nil
}

// localURL is where programs on this machine reach a listener.
func localURL(a API, listener net.Listener) string {
	scheme := "http://"
	if a.TLSCert != "" {
		scheme = "https://"
	}
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil || unspecified(host) {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
}

// servesAt notes a port that is served on all addresses of the machine.
func (s *System) servesAt(address, at string) {
	host, _, err := net.SplitHostPort(address)
	if u, wrong := url.Parse(at); err == nil && wrong == nil && unspecified(host) {
		s.everywhere[u.Port()] = true
	}
}

// unspecified tells whether a host to listen on means all addresses.
func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
