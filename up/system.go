package up

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/embedded"
)

// System is what runs in this process: everything, a gateway or a dispatcher.
type System struct {
	// URL is where programs on this machine reach the API, Key what opens it. They
	// are empty where there is none, and where the keys are stored only.
	URL string
	Key string
	// NATSURL is where NATS is reached.
	NATSURL string
	// DataDir is the absolute path of the data folder.
	DataDir string

	// everywhere are the ports that this process serves on all addresses of the machine.
	everywhere map[string]bool

	server  *embedded.Server // of a whole system
	parts   []*part
	closers []closer
	once    sync.Once
	stop    chan struct{} // closed by the first call of Stop
	failed  chan error    // gets why a part ended by itself
	ended   chan struct{} // closed when everything has ended
	err     error         // read after ended
}

// closer lets go of one thing that was taken at the start, within ctx.
type closer struct {
	name  string
	close func(ctx context.Context) error
}

// shutdownTimeout bounds each step of a shutdown.
const shutdownTimeout = 15 * time.Second

// launch makes the folder and runs start; what it began is ended where it fails.
func launch(dir string, log *slog.Logger, start func(*System) error) (*System, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &System{DataDir: dir, everywhere: map[string]bool{}, stop: make(chan struct{}), failed: make(chan error, 1), ended: make(chan struct{})}
	s.run("memory", giveBackMemory)
	if err := start(s); err != nil {
		s.shutdown(nil)
		return nil, errors.Join(err, s.err)
	}
	go func() {
		var failure error
		select {
		case <-s.stop:
		case failure = <-s.failed:
			log.Error("the system stops, as a part of it failed", "error", failure)
		}
		s.shutdown(failure)
	}()
	return s, nil
}

// Connect opens a connection to the system's own NATS server, in its application
// account: it may do everything. The system's end closes it. Only a whole system
// has such a server.
func (s *System) Connect(name string) (*nats.Conn, error) {
	if s.server == nil {
		return nil, errors.New("this process runs no NATS server")
	}
	return s.server.Connect(name)
}
