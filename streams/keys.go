package streams

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// Role says what the holder of an API key may do; each includes those after it.
type Role string

// The roles. A worker's key has RoleInvoke in its own project.
const (
	RoleAdmin  Role = "admin"
	RoleDeploy Role = "deploy"
	RoleInvoke Role = "invoke"
	RoleRead   Role = "read"
)

// Grant is what an API key allows.
type Grant struct {
	KeyID string
	Role  Role
	// Project and Generation limit the grant to one project; empty means all.
	Project    string
	Generation string
	// Execution is set for a worker's key.
	Execution *multinode.ExecutionKey
}

// apiKey is a stored key. The key itself has enough entropy for a plain hash, or
// was chosen by the operator.
type apiKey struct {
	Name      string    `json:"name"`
	Hash      []byte    `json:"hash"`
	Role      Role      `json:"role"`
	Project   string    `json:"project,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// keyID finds a stored key without telling it: it is part of the hash.
func keyID(hash [sha256.Size]byte) string { return hex.EncodeToString(hash[:8]) }

// PutKey stores an API key as its hash. The same key may be put again.
func (s *Store) PutKey(ctx context.Context, key, name string, role Role, project string) error {
	hash := sha256.Sum256([]byte(key))
	err := s.registry.create(ctx, apiKeyKey(keyID(hash)), apiKey{
		Name: name, Hash: hash[:], Role: role, Project: project, CreatedAt: s.now(),
	})
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// DropKeys deletes the stored keys of that name, except for the one given.
func (s *Store) DropKeys(ctx context.Context, name, except string) error {
	spared := keyID(sha256.Sum256([]byte(except)))
	for _, k := range all[apiKey](s.registry, "key.") {
		id := keyID([sha256.Size]byte(k.Hash))
		if k.Name != name || id == spared {
			continue
		}
		if err := s.registry.remove(ctx, apiKeyKey(id)); err != nil {
			return err
		}
	}
	return nil
}

// Authenticate returns what a key allows, or ErrNotFound. A worker's key is good
// as long as its execution lives.
func (s *Store) Authenticate(ctx context.Context, key string) (Grant, error) {
	if strings.HasPrefix(key, workerKeyPrefix) {
		return s.authenticateWorker(ctx, key)
	}
	hash := sha256.Sum256([]byte(key))
	id := keyID(hash)
	stored, known := s.registry.apiKey(id)
	if !known || subtle.ConstantTimeCompare(stored.Hash, hash[:]) != 1 {
		return Grant{}, ErrNotFound
	}
	return Grant{KeyID: id, Role: stored.Role, Project: stored.Project}, nil
}

// apiKey looks a key up in the copy alone: guesses must not reach the server.
func (r *registry) apiKey(id string) (apiKey, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.entries[apiKeyKey(id)].value.(apiKey)
	return k, ok
}

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
	record, _, err := s.Record(ctx, k.Invocation)
	if err != nil {
		return Grant{}, err
	}
	if live, ok := record.Live(); !ok || live.ID != k.ID {
		return Grant{}, ErrNotFound
	}
	return Grant{
		KeyID: k.ID, Role: RoleInvoke, Project: k.Invocation.Project,
		Generation: k.Invocation.Generation, Execution: &k,
	}, nil
}

// loadWorkerSecret reads the secret that signs workers' keys; the first to come
// makes it.
func (s *Store) loadWorkerSecret(ctx context.Context) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails: crypto/rand ends the program instead
	_, err := s.registry.kv.Create(ctx, workerSecretKey, secret)
	if errors.Is(err, jetstream.ErrKeyExists) {
		var stored jetstream.KeyValueEntry
		if stored, err = s.registry.kv.Get(ctx, workerSecretKey); err == nil {
			secret = stored.Value()
		}
	}
	s.workerSecret = secret
	return classify("load the secret of the workers' keys", err)
}
