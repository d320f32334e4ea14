package streams

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

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

// APIKey is a stored key, without what opens anything.
type APIKey struct {
	// ID names the key and is no secret.
	ID   string
	Name string
	Role Role
	// Project limits the key to the project of that name, whether it exists yet,
	// or again, or not; empty means all.
	Project   string
	CreatedAt time.Time
	// ExpiresAt is when the key opens nothing any more; nil means never.
	ExpiresAt *time.Time
	// System marks the key that the system itself was started with.
	System bool
}

// apiKey is how a key is stored. The key itself has enough entropy for a plain
// hash, or was chosen by the operator.
type apiKey struct {
	Name      string     `json:"name"`
	Hash      []byte     `json:"hash"`
	Role      Role       `json:"role"`
	Project   string     `json:"project,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	System    bool       `json:"system,omitempty"`
}

func (k apiKey) public() APIKey {
	return APIKey{
		ID: keyID([sha256.Size]byte(k.Hash)), Name: k.Name, Role: k.Role, Project: k.Project,
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, System: k.System,
	}
}

func (k apiKey) expired(now time.Time) bool { return k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) }

// keyPrefix begins every key that is made here, so that one that got somewhere
// it does not belong is recognized.
const keyPrefix = "mn-"

// keyID finds a stored key without telling it: it is part of the hash.
func keyID(hash [sha256.Size]byte) string { return "key-" + hex.EncodeToString(hash[:8]) }

// CreateKey makes an API key as described, whose ID, CreatedAt and System are
// ignored, and returns what opens with it. That is not stored: it cannot be had
// again.
func (s *Store) CreateKey(ctx context.Context, k APIKey) (APIKey, string, error) {
	secret := keyPrefix + strings.ToLower(rand.Text())
	hash := sha256.Sum256([]byte(secret))
	stored := apiKey{
		Name: k.Name, Hash: hash[:], Role: k.Role, Project: k.Project, CreatedAt: s.now(), ExpiresAt: k.ExpiresAt,
	}
	return stored.public(), secret, s.registry.create(ctx, apiKeyKey(keyID(hash)), stored)
}

// Keys returns the stored API keys, newest first, those that expired included.
func (s *Store) Keys(context.Context) []APIKey {
	stored := all[apiKey](s.registry, "key.")
	keys := make([]APIKey, len(stored))
	for i, k := range stored {
		keys[i] = k.public()
	}
	slices.SortFunc(keys, func(a, b APIKey) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return keys
}

// RevokeKey deletes an API key; one that is gone already is fine.
func (s *Store) RevokeKey(ctx context.Context, id string) error {
	return s.registry.remove(ctx, apiKeyKey(id))
}

// PutKey stores a key that was chosen outside, as one of the system's own. The
// same key may be put again.
func (s *Store) PutKey(ctx context.Context, key, name string, role Role, project string) error {
	hash := sha256.Sum256([]byte(key))
	err := s.registry.create(ctx, apiKeyKey(keyID(hash)), apiKey{
		Name: name, Hash: hash[:], Role: role, Project: project, CreatedAt: s.now(), System: true,
	})
	if errors.Is(err, ErrExists) {
		return nil
	}
	return err
}

// DropKeys deletes the system's own keys of that name, except for the one given.
func (s *Store) DropKeys(ctx context.Context, name, except string) error {
	spared := keyID(sha256.Sum256([]byte(except)))
	for _, k := range s.Keys(ctx) {
		if !k.System || k.Name != name || k.ID == spared {
			continue
		}
		if err := s.RevokeKey(ctx, k.ID); err != nil {
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
	if !known || subtle.ConstantTimeCompare(stored.Hash, hash[:]) != 1 || stored.expired(s.now()) {
		return Grant{}, ErrNotFound
	}
	return Grant{KeyID: id, Role: stored.Role, Project: stored.Project}, nil
}

// Stands tells whether the key of a grant that was made before is still good.
func (s *Store) Stands(ctx context.Context, g Grant) (bool, error) {
	if g.Execution != nil {
		return s.lives(ctx, *g.Execution)
	}
	stored, known := s.registry.apiKey(g.KeyID)
	return known && !stored.expired(s.now()), nil
}

// apiKey looks a key up in the copy alone: guesses must not reach the server.
func (r *registry) apiKey(id string) (apiKey, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.entries[apiKeyKey(id)].value.(apiKey)
	return k, ok
}
