package streams

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/internal/failpoint"
)

// CreateProject makes a project without versions. It returns ErrExists where one
// of that name is there, also while it is being undeployed.
func (s *Store) CreateProject(ctx context.Context, name string) (multinode.Project, error) {
	p := multinode.Project{Name: name, Generation: multinode.NewGeneration(), CreatedAt: s.now()}
	return p, s.registry.create(ctx, projectKey(name), p)
}

// Project returns the project of that name, or ErrNotFound.
func (s *Store) Project(ctx context.Context, name string) (multinode.Project, error) {
	return cached[multinode.Project](ctx, s.registry, projectKey(name))
}

// CurrentProject is Project as the server has it now: the copy may be an instant
// behind what another process has just stored.
func (s *Store) CurrentProject(ctx context.Context, name string) (multinode.Project, error) {
	project, _, err := reread[multinode.Project](ctx, s.registry, projectKey(name))
	return project, err
}

// Projects returns all projects, newest first.
func (s *Store) Projects(context.Context) ([]multinode.Project, error) {
	projects := all[multinode.Project](s.registry, "project.")
	slices.SortFunc(projects, func(a, b multinode.Project) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return projects, nil
}

// UpdateProject changes a project of this very generation by compare and set.
// change may be called several times. It returns ErrNotFound where the project
// has gone or was created anew.
func (s *Store) UpdateProject(ctx context.Context, name, generation string, change func(*multinode.Project) error) (multinode.Project, error) {
	return update(ctx, s.registry, projectKey(name), func(p *multinode.Project) error {
		if p.Generation != generation {
			return ErrNotFound
		}
		return change(p)
	})
}

// DeleteProject removes everything of an undeployed project, itself last, so
// that a crash half-way leaves it to be deleted again. Its invocations must have
// ended.
func (s *Store) DeleteProject(ctx context.Context, p multinode.Project) error {
	for _, name := range s.functionNames(p) {
		if err := s.js.DeleteStream(ctx, requestStream(p.Name, p.Generation, name)); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return classify("delete the requests", err)
		}
		failpoint.Hit("streams.requests_deleted")
		if err := s.registry.remove(ctx, functionKey(p.Name, p.Generation, name)); err != nil {
			return err
		}
	}
	failpoint.Hit("streams.functions_removed")
	if err := s.purgeInvocations(ctx, p); err != nil {
		return err
	}
	for _, v := range all[multinode.Version](s.registry, join("version", p.Name, p.Generation)+".") {
		if err := s.removeVersion(ctx, v); err != nil {
			return err
		}
	}
	failpoint.Hit("streams.versions_removed")
	if err := s.removeProject(ctx, p); err != nil {
		return err
	}
	failpoint.Hit("streams.project_removed")
	return s.removeLatecomers(ctx, p)
}

// purgeInvocations removes all that is stored of a project's invocations.
func (s *Store) purgeInvocations(ctx context.Context, p multinode.Project) error {
	generation := join("", p.Name, p.Generation)
	// Whoever follows the records learns by this marker that they are gone. It
	// comes before the purge: the stream's last message is then always one that a
	// reader can reach.
	if err := s.records.Delete(ctx, generation); err != nil {
		return classify("mark the records as deleted", err)
	}
	failpoint.Hit("streams.deletion_marked")
	for _, each := range []struct {
		stream jetstream.Stream
		prefix string
	}{
		{s.recordsStream, kvSubject(invocationsBucket, generation)}, {s.yieldsStream, kvSubject(yieldsBucket, generation)},
		{s.outcomesStream, kvSubject(outcomesBucket, generation)}, {s.logsStream, logSubjects + "." + generation},
	} {
		if err := each.stream.Purge(ctx, jetstream.WithPurgeSubject(each.prefix+".>")); err != nil {
			return classify("delete the records", err)
		}
		failpoint.Hit("streams.purged")
	}
	return nil
}

// removeLatecomers removes versions that were stored since the project's were
// removed: whoever stores one now sees that the project has gone.
func (s *Store) removeLatecomers(ctx context.Context, p multinode.Project) error {
	keys, err := s.registry.keys(ctx, join("version", p.Name, p.Generation))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := s.removeKey(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// removeProject deletes the project's own entry, unless the name is a new
// project's by now: the deletion of the old one may be repeated.
func (s *Store) removeProject(ctx context.Context, p multinode.Project) error {
	key := projectKey(p.Name)
	for {
		stored, err := s.registry.kv.Get(ctx, key)
		if err = classify("look up "+key, err); isNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		found, err := decode[multinode.Project](stored.Value())
		if err != nil || found.Generation != p.Generation {
			return err
		}
		err = s.registry.remove(ctx, key, jetstream.LastRevision(stored.Revision()))
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return err
		}
	}
}

// RegistryChanges returns a channel of coalesced notices that something in the
// registry changed, and a function that ends them.
func (s *Store) RegistryChanges() (<-chan struct{}, func()) {
	notices, stop, _ := s.registry.changed.listen("") // has no start that could fail
	return notices, stop
}
