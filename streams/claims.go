package streams

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// Claim returns who holds a claim, as the registry's leader has it now, and the
// revision of that; "" where it is free, and 0 where nobody ever held it.
func (s *Store) Claim(ctx context.Context, name string) (holder string, revision uint64, err error) {
	m, err := s.leaderGet(ctx, "KV_"+registryBucket, kvSubject(registryBucket, claimKey(name)))
	if isNotFound(err) {
		return "", 0, nil
	}
	return string(m.Data), m.Sequence, err
}

// PutClaim makes a holder have a claim, or nobody where that is "", if the claim
// is still at the revision. It returns the new one, and ErrExists where another
// writer came first. After any other error it may have been stored all the same.
func (s *Store) PutClaim(ctx context.Context, name, holder string, revision uint64) (uint64, error) {
	stored, err := s.registry.kv.Update(ctx, claimKey(name), []byte(holder), revision)
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, ErrExists
	}
	return stored, classify("claim "+name, err)
}
