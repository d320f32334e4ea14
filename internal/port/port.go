// Package port opens TCP ports that a restart has to find free again.
package port

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	// patience is how long a port that is taken is waited for. A process that was
	// killed while it started another one leaves its sockets to that one until it has
	// become another program, and a connection of somebody else's may hold the port
	// for a moment.
	patience = 2 * time.Second
	pause    = 20 * time.Millisecond
	// first and last bound the ports that are chosen here.
	first, last = 20_000, 32_767
	// choices is how many of them are tried.
	choices = 100
)

// Listen listens on a port of the host, or on one that is free where port is 0. A
// taken one is waited for, for two seconds: then the error is syscall.EADDRINUSE.
//
// What is chosen lies outside the range that the system takes the ports of outgoing
// connections from, where it can: otherwise any of those may have the port when its
// owner comes back, even that of a client that only tries to reach the owner.
func Listen(ctx context.Context, host string, port int) (net.Listener, error) {
	if port == 0 {
		return choose(ctx, host)
	}
	for until := time.Now().Add(patience); ; {
		listener, err := listen(ctx, host, port)
		if err == nil || !errors.Is(err, syscall.EADDRINUSE) || !time.Now().Before(until) {
			return listener, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func choose(ctx context.Context, host string) (net.Listener, error) {
	if outgoing() <= last {
		return listen(ctx, host, 0)
	}
	for range choices {
		if listener, err := listen(ctx, host, first+rand.N(last-first+1)); err == nil {
			return listener, nil
		}
	}
	return listen(ctx, host, 0)
}

func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}

// outgoing is the lowest port of outgoing connections.
func outgoing() int {
	const usual = 32_768 // of Linux; that of others is higher
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return usual
	}
	lowest := usual
	if _, err := fmt.Sscan(string(text), &lowest); err != nil {
		return usual
	}
	return lowest
}
