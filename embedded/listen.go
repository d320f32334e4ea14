package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"syscall"

	kept "multinode/internal/port"
)

// listenState is kept, so that a restart listens where workers look for it.
type listenState struct {
	Port int `json:"port"`
}

func listenPath(dir string) string { return filepath.Join(dir, "listen.json") }

// choosePort returns the port to listen on: the wanted one, else the one this
// folder used before, else any free one.
func choosePort(ctx context.Context, dir, host string, wanted int) (int, error) {
	port, from := wanted, "asked for"
	if port == 0 {
		var before listenState
		if _, err := readJSON(listenPath(dir), &before); err != nil {
			return 0, fmt.Errorf("read the port of the last run: %w", err)
		}
		port, from = before.Port, "used by this data folder before, where its workers look for it"
	}
	// The server reports a failure to listen only as a line of its log: try it
	// first, to tell apart what is wrong.
	listener, err := kept.Listen(ctx, host, port)
	if errors.Is(err, syscall.EADDRINUSE) {
		return 0, fmt.Errorf("NATS port %d (%s) is taken by another program: stop that program, or choose another NATS listen address: %w", port, from, err)
	}
	if err != nil {
		return 0, fmt.Errorf("listen for NATS connections: choose another NATS listen address: %w", err)
	}
	port = listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}
