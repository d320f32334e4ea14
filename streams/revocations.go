package streams

import (
	"context"
	"errors"
	"strings"
	"time"
)

// revocation is a stored order that an execution's credentials be void.
type revocation struct {
	// Until is when they have expired by themselves.
	Until time.Time `json:"until"`
}

// RevokeWorker keeps that the credentials of an execution's worker are void; until
// is when they have expired anyway. It may be repeated.
func (s *Store) RevokeWorker(ctx context.Context, execution string, until time.Time) error {
	key := revocationKey(execution)
	if s.registry.has(key) {
		return nil
	}
	err := s.registry.create(ctx, key, revocation{Until: until.UTC()})
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

func (r *registry) has(key string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entries[key].value != nil
}

// RevokedWorkers returns the executions whose workers' credentials are void, and
// until when that has to be kept. RegistryChanges tells of new ones.
func (s *Store) RevokedWorkers() map[string]time.Time {
	const prefix = "revoked."
	r := s.registry
	r.mu.RLock()
	defer r.mu.RUnlock()
	revoked := map[string]time.Time{}
	for key, entry := range r.entries {
		token, ours := strings.CutPrefix(key, prefix)
		if !ours {
			continue
		}
		if stored, ok := entry.value.(revocation); ok {
			if execution, err := FromToken(token); err == nil {
				revoked[execution] = stored.Until
			}
		}
	}
	return revoked
}

// ForgetRevoked removes what has been kept for long enough.
func (s *Store) ForgetRevoked(ctx context.Context, execution string) error {
	return s.registry.remove(ctx, revocationKey(execution))
}
