package streams

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

const workerKeyPrefix = "mnw_"

// WorkerKey returns the API key of an execution's worker. It is not stored: it
// names the execution and carries a signature.
func (s *Store) WorkerKey(k multinode.ExecutionKey) string {
	name := ExecutionKeyName(k)
	return workerKeyPrefix + name + "." + s.signWorker(name)
}

func (s *Store) signWorker(name string) string {
	mac := hmac.New(sha256.New, s.workerSecret)
	_, _ = mac.Write([]byte(name)) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Store) authenticateWorker(ctx context.Context, key string) (Grant, error) {
	signed := strings.TrimPrefix(key, workerKeyPrefix)
	dot := strings.LastIndexByte(signed, '.')
	if dot < 0 || !hmac.Equal([]byte(signed[dot+1:]), []byte(s.signWorker(signed[:dot]))) {
		return Grant{}, ErrNotFound
	}
	k, err := ParseExecutionKey(signed[:dot])
	if err != nil {
		return Grant{}, ErrNotFound
	}
	live, err := s.lives(ctx, k)
	if err != nil {
		return Grant{}, err
	}
	if !live {
		return Grant{}, ErrNotFound
	}
	return Grant{
		KeyID: k.ID, Role: RoleInvoke, Project: k.Invocation.Project,
		Generation: k.Invocation.Generation, Execution: &k,
	}, nil
}

// lives tells whether the execution is its invocation's live one.
func (s *Store) lives(ctx context.Context, k multinode.ExecutionKey) (bool, error) {
	record, _, err := s.Record(ctx, k.Invocation)
	if isNotFound(err) {
		return false, nil
	}
	live, ok := record.Live()
	return ok && live.ID == k.ID, err
}

// loadSecrets reads the secrets that sign workers' keys and builds' tickets.
func (s *Store) loadSecrets(ctx context.Context) (err error) {
	if s.workerSecret, err = s.loadSecret(ctx, workerSecretKey); err != nil {
		return classify("load the secret of the workers' keys", err)
	}
	s.buildSecret, err = s.loadSecret(ctx, buildSecretKey)
	return classify("load the secret of the builds' tickets", err)
}

// loadSecret reads a secret; the first to come makes it.
func (s *Store) loadSecret(ctx context.Context, key string) ([]byte, error) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	_, err := s.registry.kv.Create(ctx, key, secret)
	if errors.Is(err, jetstream.ErrKeyExists) {
		var stored jetstream.KeyValueEntry
		if stored, err = s.registry.kv.Get(ctx, key); err == nil {
			secret = stored.Value()
		}
	}
	return secret, err
}
