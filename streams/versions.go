package streams

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"multinode"
	"multinode/internal/failpoint"
)

// CreateVersion stores a version and, apart from it, the values of its .env
// file, which are never part of an answer or a log.
func (s *Store) CreateVersion(ctx context.Context, v multinode.Version, environment map[string]string) error {
	// The values come first: a version must not be prepared without them.
	if len(environment) > 0 {
		data, err := json.Marshal(environment)
		if err != nil {
			return err
		}
		if _, err := s.registry.kv.Put(ctx, environmentKey(v.Project, v.Generation, v.ID), data); err != nil {
			return classify("store the environment", err)
		}
	}
	failpoint.Hit("streams.environment_stored")
	return s.registry.create(ctx, versionKey(v.Project, v.Generation, v.ID), v)
}

// Version returns a version of the project, or ErrNotFound.
func (s *Store) Version(ctx context.Context, p multinode.Project, id string) (multinode.Version, error) {
	return cached[multinode.Version](ctx, s.registry, versionKey(p.Name, p.Generation, id))
}

// CurrentVersion is Version as the server has it now: the copy may be an instant
// behind what another process has just stored.
func (s *Store) CurrentVersion(ctx context.Context, p multinode.Project, id string) (multinode.Version, error) {
	version, _, err := reread[multinode.Version](ctx, s.registry, versionKey(p.Name, p.Generation, id))
	return version, err
}

// Versions returns the project's versions, newest first.
func (s *Store) Versions(_ context.Context, p multinode.Project) ([]multinode.Version, error) {
	versions := all[multinode.Version](s.registry, join("version", p.Name, p.Generation)+".")
	slices.SortFunc(versions, func(a, b multinode.Version) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	return versions, nil
}

// UpdateVersion changes a version by compare and set. change may be called
// several times.
func (s *Store) UpdateVersion(ctx context.Context, p multinode.Project, id string, change func(*multinode.Version) error) (multinode.Version, error) {
	return update(ctx, s.registry, versionKey(p.Name, p.Generation, id), change)
}

// VersionEnvironment returns the values of a version's .env file. Only whoever
// starts workers may ask for them.
func (s *Store) VersionEnvironment(ctx context.Context, v multinode.Version) (map[string]string, error) {
	stored, err := s.registry.kv.Get(ctx, environmentKey(v.Project, v.Generation, v.ID))
	if err = classify("read the environment", err); isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decode[map[string]string](stored.Value())
}
