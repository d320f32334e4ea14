package up

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"

	"multinode/embedded"
	"multinode/streams"
	"multinode/streams/index"
)

// keyName is what the system's own API key is called in the registry.
const keyName = "up"

// core is what every process has: a line to NATS, the store and its index.
type core struct {
	nc    *nats.Conn
	store *streams.Store
	index *index.Index
}

// remote connects to servers that run elsewhere. The folder is taken first.
func (s *System) remote(ctx context.Context, n NATS, role string, log *slog.Logger) (core, error) {
	if err := s.lock(); err != nil {
		return core{}, err
	}
	nc, err := n.connect(role, log.With("part", "nats"))
	if err != nil {
		return core{}, err
	}
	s.onEnd("connection to NATS", func(context.Context) error { nc.Close(); return nil })
	s.NATSURL = n.URL
	store, err := n.store(ctx, nc, log.With("part", "streams"))
	if err != nil {
		return core{}, fmt.Errorf("open the store on NATS at %s: %w", n.URL, err)
	}
	return s.core(nc, store, log)
}

// core opens the index, which follows the store from then on.
func (s *System) core(nc *nats.Conn, store *streams.Store, log *slog.Logger) (core, error) {
	s.onEnd("store", func(context.Context) error { store.Close(); return nil })
	records, err := index.Open(filepath.Join(s.DataDir, "index.db"), store, log.With("part", "index"))
	if err != nil {
		return core{}, err
	}
	s.onEnd("index", func(context.Context) error { return records.Close() })
	s.run("index", records.Run)
	return core{nc: nc, store: store, index: records}, nil
}

// lock takes the data folder for this process, as the embedded server does.
func (s *System) lock() error {
	lock := flock.New(filepath.Join(s.DataDir, "lock"), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock the data folder %s: %w", s.DataDir, err)
	}
	if !locked {
		return fmt.Errorf("%w: another process has %s; give each its own", embedded.ErrInUse, s.DataDir)
	}
	s.onEnd("lock", func(context.Context) error { return lock.Close() })
	return nil
}

// admit puts the key that was chosen into the store; one that it replaces opens
// nothing any more.
func (c core) admit(ctx context.Context, key string) error {
	if err := c.store.PutKey(ctx, key, keyName, streams.RoleAdmin, ""); err != nil {
		return fmt.Errorf("store the API key: %w", err)
	}
	if err := c.store.DropKeys(ctx, keyName, key); err != nil {
		return fmt.Errorf("drop the API key of an earlier run: %w", err)
	}
	return nil
}

// errNoKeys says that nothing would open the API.
var errNoKeys = errors.New("no API key is stored yet, so nobody could use the API")

// administered finds out whether any stored key could administer the system.
func (c core) administered(ctx context.Context) error {
	for _, k := range c.store.Keys(ctx) {
		if k.Role == streams.RoleAdmin && k.Project == "" {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", errNoKeys, ErrKeyRequired)
}
