package streams

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"multinode"
	"multinode/internal/failpoint"
)

// CreateVersion stores a version and, apart from it, the values of its .env
// file, which are never part of an answer or a log. It returns ErrNotFound where
// the project is being undeployed, or has gone.
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
	if err := s.registry.create(ctx, versionKey(v.Project, v.Generation, v.ID), v); err != nil {
		return err
	}
	failpoint.Hit("streams.version_stored")
	// An undeploy may have looked for versions just before. Either it sees this one
	// when it looks again at its end, or this sees that the project has gone.
	p, err := s.CurrentProject(ctx, v.Project)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil && p.Generation == v.Generation && !p.Deleting() {
		return nil
	}
	return errors.Join(ErrNotFound, s.removeVersion(ctx, v))
}

// removeVersion removes a version, its environment and, where nobody else uses it,
// its bundle.
func (s *Store) removeVersion(ctx context.Context, v multinode.Version) error {
	if err := s.registry.erase(ctx, environmentKey(v.Project, v.Generation, v.ID)); err != nil {
		return err
	}
	failpoint.Hit("streams.environment_removed")
	if err := s.registry.erase(ctx, buildKey(v.Project, v.Generation, v.ID)); err != nil {
		return err
	}
	if err := s.deleteBundle(ctx, v); err != nil {
		return err
	}
	failpoint.Hit("streams.bundle_deleted")
	if err := s.registry.remove(ctx, versionKey(v.Project, v.Generation, v.ID)); err != nil {
		return err
	}
	failpoint.Hit("streams.version_removed")
	return s.deleteBundle(ctx, v) // where another version of it was removed meanwhile
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

// ImagesInUse returns the images that were made for versions, by digest.
func (s *Store) ImagesInUse() []string {
	var images []string
	for _, v := range all[multinode.Version](s.registry, "version.") {
		for _, image := range v.Built {
			images = append(images, image)
		}
	}
	return images
}
