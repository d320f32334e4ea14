// Package forward lets those on one network reach what listens on loopback: it takes
// their connections and passes the bytes on.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits of one Forwarder.
const (
	// maxPerSource is how many connections one address may have at a time.
	maxPerSource = 64
	// maxInAll is how many there may be, where this process may have as many files. A new
	// one takes the place of the oldest of the address that has most.
	maxInAll = 8192
	// partOfFiles is the part of this process's files that those of one connection may
	// take up: two, and a third where the target is in this process. There may be a few
	// forwarders, and what is stored needs files, too.
	partOfFiles = 24
	// dialTimeout bounds the connection to the target.
	dialTimeout = 5 * time.Second
	// acceptPause is after an Accept that failed, such as for want of descriptors.
	acceptPause = 100 * time.Millisecond
)

// Forwarder passes connections on.
type Forwarder struct {
	listener net.Listener
	target   string
	from     netip.Prefix
	log      *slog.Logger
	// These are below the limits only in tests.
	perSource, inAll int

	mu      sync.Mutex
	closed  bool
	sources map[netip.Addr][]*link // the oldest first
	count   int
	links   sync.WaitGroup
}

// link is a connection and what it is passed on to.
type link struct {
	source netip.Addr
	in     net.Conn
	once   sync.Once
	ended  chan struct{}
}

// end closes the connection; its goroutine does the rest.
func (l *link) end() { l.once.Do(func() { close(l.ended); _ = l.in.Close() }) }

// Listen takes the address for Serve. Only connections from the network are passed on
// to the target. Forwarders of several processes of one user may have the same address,
// as dispatchers do that share an engine: the others go on where one has gone.
func Listen(ctx context.Context, address, target string, from netip.Prefix, log *slog.Logger) (*Forwarder, error) {
	listener, err := (&net.ListenConfig{Control: shared}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s for workers: %w", address, err)
	}
	return &Forwarder{listener: listener, target: target, from: from, log: log, perSource: maxPerSource, inAll: fitting(files()), sources: map[netip.Addr][]*link{}}, nil
}

// fitting is how many connections there may be where the process may have so many files.
func fitting(files uint64) int {
	return int(max(1, min(maxInAll, files/partOfFiles)))
}

// Address is where it listens.
func (f *Forwarder) Address() net.Addr { return f.listener.Addr() }

// Serve passes connections on until Close.
func (f *Forwarder) Serve() error {
	for {
		conn, err := f.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			f.links.Wait()
			return nil
		}
		if err != nil {
			f.log.Warn("a worker's connection was not taken", "error", err)
			time.Sleep(acceptPause)
			continue
		}
		source, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err != nil || !f.from.Contains(source.Addr().Unmap()) {
			_ = conn.Close()
			continue
		}
		if l := f.admit(conn, source.Addr().Unmap()); l != nil {
			f.links.Go(func() { f.pass(l) })
		} else {
			_ = conn.Close()
		}
	}
}

// Close ends all connections. It may be called more than once.
func (f *Forwarder) Close() error {
	f.mu.Lock()
	f.closed = true
	for _, links := range f.sources {
		for _, l := range links {
			l.end()
		}
	}
	f.mu.Unlock()
	err := f.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// admit makes room for a connection, or returns nil where its source has enough.
func (f *Forwarder) admit(conn net.Conn, source netip.Addr) *link {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.sources[source]) >= f.perSource {
		return nil
	}
	if f.count >= f.inAll {
		oldest := f.greediest()[0]
		oldest.end()
		f.drop(oldest)
	}
	l := &link{source: source, in: conn, ended: make(chan struct{})}
	f.sources[source] = append(f.sources[source], l)
	f.count++
	return l
}

// greediest returns the connections of the source that has most.
func (f *Forwarder) greediest() (most []*link) {
	for _, links := range f.sources {
		if len(links) > len(most) {
			most = links
		}
	}
	return most
}

func (f *Forwarder) forget(l *link) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(l)
}

// drop makes room for another, once.
func (f *Forwarder) drop(l *link) {
	links := f.sources[l.source]
	for i, other := range links {
		if other == l {
			f.sources[l.source] = append(links[:i:i], links[i+1:]...)
			f.count--
			break
		}
	}
	if len(f.sources[l.source]) == 0 {
		delete(f.sources, l.source)
	}
}

// pass copies both ways until both have ended, or either is broken.
func (f *Forwarder) pass(l *link) {
	defer f.forget(l)
	defer l.end()
	out, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(context.Background(), "tcp", f.target)
	if err != nil {
		return // as if it had refused by itself
	}
	defer func() { _ = out.Close() }()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-l.ended:
			_ = out.Close()
		case <-stop:
		}
	}()
	var ways sync.WaitGroup
	way := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		if half, ok := to.(*net.TCPConn); err == nil && ok {
			_ = half.CloseWrite() // the other way may go on
			return
		}
		_, _ = to.Close(), from.Close()
	}
	ways.Go(func() { way(out, l.in) })
	way(l.in, out)
	ways.Wait()
}
