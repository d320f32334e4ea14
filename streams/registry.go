package streams

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// registry is the bucket of projects, versions, functions and API keys, with a
// copy of it in memory that a watch keeps current. It is small: what a request
// needs of it is answered without asking the server.
type registry struct {
	kv     jetstream.KeyValue
	stream jetstream.Stream
	log    *slog.Logger

	mu      sync.RWMutex
	entries map[string]registryEntry
	graves  []grave // oldest first
	changed noticeHub
}

type registryEntry struct {
	// value is a multinode.Project, Version or Function or an apiKey; nil where
	// the key was deleted. It is never changed once it is here.
	value    any
	revision uint64
}

func newRegistry(kv jetstream.KeyValue, stream jetstream.Stream, log *slog.Logger) *registry {
	return &registry{kv: kv, stream: stream, log: log, entries: map[string]registryEntry{}}
}

func (r *registry) apply(key string, data []byte, revision uint64) {
	var value any
	if len(data) > 0 { // else it is a marker of deletion
		var err error
		if value, err = decodeEntry(key, data); err != nil {
			r.log.Error("an entry of the registry is unreadable", "key", key, "error", err)
			return
		}
	}
	r.set(key, value, revision)
}

func (r *registry) set(key string, value any, revision uint64) {
	r.mu.Lock()
	fresh := revision > r.entries[key].revision
	if fresh {
		r.put(key, registryEntry{value, revision})
	}
	r.mu.Unlock()
	if fresh {
		r.changed.notify("")
	}
}

// graveLife is how long it is remembered that a key was deleted: a writer that has
// had its answer may not have noted it here yet, and must not bring it back.
const graveLife = time.Hour

// grave is a key that was deleted.
type grave struct {
	key string
	dug time.Time
}

// put stores an entry, and forgets keys that were deleted long ago. The lock is held.
func (r *registry) put(key string, e registryEntry) {
	r.entries[key] = e
	if e.value != nil {
		return
	}
	now := time.Now()
	r.graves = append(r.graves, grave{key, now})
	for len(r.graves) > 0 && now.Sub(r.graves[0].dug) > graveLife {
		if old := r.graves[0].key; r.entries[old].value == nil {
			delete(r.entries, old)
		}
		r.graves = r.graves[1:]
	}
}

func decodeEntry(key string, data []byte) (any, error) {
	kind, _, _ := strings.Cut(key, ".")
	switch kind {
	case "project":
		return decode[multinode.Project](data)
	case "version":
		return decode[multinode.Version](data)
	case "function":
		return decode[multinode.Function](data)
	case "key":
		k, err := decode[apiKey](data)
		if err == nil && len(k.Hash) != sha256.Size {
			err = errors.New("the key's hash is damaged")
		}
		return k, err
	case "revoked":
		return decode[revocation](data)
	}
	return nil, errors.New("unknown kind of entry")
}

func decode[T any](data []byte) (T, error) {
	var v T
	err := json.Unmarshal(data, &v)
	return v, err
}

// cached returns the copy's value for the key, asking the server where there is
// none: another process may have written it a moment ago.
func cached[T any](ctx context.Context, r *registry, key string) (T, error) {
	r.mu.RLock()
	entry, known := r.entries[key]
	r.mu.RUnlock()
	if value, ok := entry.value.(T); ok {
		return value, nil
	}
	value, revision, err := reread[T](ctx, r, key)
	if err == nil && known && revision < entry.revision {
		var none T
		return none, ErrNotFound // a replica that lags behind the deletion
	}
	return value, err
}

// reread asks the server for the key's value and brings the copy up to date.
func reread[T any](ctx context.Context, r *registry, key string) (value T, revision uint64, err error) {
	stored, err := r.kv.Get(ctx, key)
	if err != nil {
		return value, 0, classify("look up "+key, err)
	}
	r.apply(key, stored.Value(), stored.Revision())
	value, err = decode[T](stored.Value())
	return value, stored.Revision(), err
}

// all returns every value of this type whose key begins with the prefix.
func all[T any](r *registry, prefix string) []T {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var values []T
	for key, entry := range r.entries {
		if value, ok := entry.value.(T); ok && strings.HasPrefix(key, prefix) {
			values = append(values, value)
		}
	}
	return values
}

// keys returns the keys of a kind that the bucket's leader has, those of deleted
// entries included.
func (r *registry) keys(ctx context.Context, kind string) ([]string, error) {
	prefix := kvSubject(registryBucket, "")
	info, err := r.stream.Info(ctx, jetstream.WithSubjectFilter(prefix+kind+".>"))
	if err != nil {
		return nil, classify("list the registry", err)
	}
	keys := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		keys = append(keys, strings.TrimPrefix(subject, prefix))
	}
	return keys, nil
}

// held returns the keys of these kinds that the copy has.
func (r *registry) held(kinds []string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var keys []string
	for key, entry := range r.entries {
		if kind, _, _ := strings.Cut(key, "."); entry.value != nil && slices.Contains(kinds, kind) {
			keys = append(keys, key)
		}
	}
	return keys
}

// erase deletes an entry that nobody follows, without a marker of that; one that is
// gone already is fine.
func (r *registry) erase(ctx context.Context, key string) error {
	return classify("delete "+key, r.stream.Purge(ctx, jetstream.WithPurgeSubject(kvSubject(registryBucket, key))))
}

// create stores a new entry; ErrExists where there is one.
func (r *registry) create(ctx context.Context, key string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	revision, err := r.kv.Create(ctx, key, data)
	if errors.Is(err, jetstream.ErrKeyExists) {
		return ErrExists
	}
	if err != nil {
		return classify("create "+key, err)
	}
	r.set(key, value, revision)
	return nil
}

// errUnchanged makes update keep what is stored.
var errUnchanged = errors.New("unchanged")

// update changes an entry by compare and set, as often as it takes. The change
// may be called several times and must not have other effects.
func update[T any](ctx context.Context, r *registry, key string, change func(*T) error) (T, error) {
	var none T
	for {
		stored, err := r.kv.Get(ctx, key)
		if err != nil {
			return none, classify("look up "+key, err)
		}
		value, err := decode[T](stored.Value())
		if err != nil {
			return none, err
		}
		if err := change(&value); errors.Is(err, errUnchanged) {
			return value, nil
		} else if err != nil {
			return none, err
		}
		data, err := json.Marshal(value)
		if err != nil {
			return none, err
		}
		revision, err := r.kv.Update(ctx, key, data, stored.Revision())
		if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			continue
		}
		if err != nil {
			return none, classify("update "+key, err)
		}
		r.set(key, value, revision)
		return value, nil
	}
}

// remove deletes an entry; one that is gone already is fine. The marker of that goes
// by itself, after MarkerLife.
func (r *registry) remove(ctx context.Context, key string, o ...jetstream.KVDeleteOpt) error {
	r.mu.RLock()
	before := r.entries[key].revision
	r.mu.RUnlock()
	if err := r.kv.Purge(ctx, key, append(o, jetstream.PurgeTTL(MarkerLife))...); err != nil {
		return classify("delete "+key, err)
	}
	r.mu.Lock()
	// What has come meanwhile is newer: the deletion itself, or the key's next entry.
	if entry, ok := r.entries[key]; ok && entry.revision == before && entry.value != nil {
		r.put(key, registryEntry{nil, before})
	}
	r.mu.Unlock()
	r.changed.notify("")
	return nil
}
