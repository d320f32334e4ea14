package streams

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// registryKinds are the kinds of entries that the copy has. Environments and
// secrets are read when needed only.
var registryKinds = []string{"project", "version", "function", "key", "revoked"}

// registryFeed keeps the copy of the registry current. After trouble it reads all of
// it anew, small as it is: what happened meanwhile may have left no trace.
type registryFeed struct {
	registry *registry
	// seen has the revisions of what was read since the consumer was made, until
	// everything that was stored by then has been; nil after that.
	seen   map[string]uint64
	loaded chan struct{} // closed when that was so for the first time
}

// followRegistry reads the registry and keeps the copy current until running ends.
func (s *Store) followRegistry(ctx, running context.Context) error {
	prefix := kvSubject(registryBucket, "")
	filters := make([]string, len(registryKinds))
	for i, kind := range registryKinds {
		filters[i] = prefix + kind + ".>"
	}
	feed := &registryFeed{registry: s.registry, loaded: make(chan struct{})}
	f := &follower{
		store: s, stream: "KV_" + registryBucket, anew: true, opened: feed.begin, each: feed.take,
		config: jetstream.ConsumerConfig{FilterSubjects: filters, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy},
	}
	if err := f.begin(ctx); err != nil {
		return err
	}
	go func() { _ = f.run(running) }() // it ends with running only
	select {
	case <-feed.loaded:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *registryFeed) begin(ctx context.Context, pending uint64) error {
	f.seen = map[string]uint64{}
	if pending == 0 {
		return f.complete(ctx)
	}
	return nil
}

func (f *registryFeed) take(ctx context.Context, batch []stored) error {
	for _, m := range batch {
		key := strings.TrimPrefix(m.Subject, kvSubject(registryBucket, ""))
		f.registry.apply(key, m.Data, m.sequence)
		if f.seen == nil {
			continue
		}
		f.seen[key] = m.sequence
		if m.pending == 0 {
			if err := f.complete(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// complete has the leader decide about what the copy has otherwise than what was
// read: it may have been deleted and its marker expired, or just be too new for the
// server that was read from, or be of a bucket that was restored since.
func (f *registryFeed) complete(ctx context.Context) error {
	r := f.registry
	r.mu.RLock()
	var doubtful []string
	for key, entry := range r.entries {
		if at, stored := f.seen[key]; stored && at != entry.revision || !stored && entry.value != nil {
			doubtful = append(doubtful, key)
		}
	}
	r.mu.RUnlock()
	for _, key := range doubtful {
		if err := r.correct(ctx, key); err != nil {
			return fmt.Errorf("%w: %w", errCut, err) // all of it again, whatever it was
		}
	}
	f.seen = nil
	select {
	case <-f.loaded:
	default:
		close(f.loaded)
	}
	return nil
}

// correct makes the copy of a key what the leader has.
func (r *registry) correct(ctx context.Context, key string) error {
	r.mu.RLock()
	before := r.entries[key]
	r.mu.RUnlock()
	stored, err := r.kv.Get(ctx, key)
	if err = classify("look up "+key, err); err != nil && !isNotFound(err) {
		return err
	}
	now := registryEntry{revision: before.revision}
	if err != nil && before.value == nil {
		return nil
	}
	if err == nil {
		if stored.Revision() == before.revision {
			return nil
		}
		now.revision = stored.Revision()
		if now.value, err = decodeEntry(key, stored.Value()); err != nil {
			r.log.Error("an entry of the registry is unreadable", "key", key, "error", err)
			return nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries[key].revision == before.revision { // else it has changed since
		r.put(key, now)
		r.changed.notify("")
	}
	return nil
}
