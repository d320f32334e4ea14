package streams

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// A stray is a stream or an entry of the registry that belongs to a generation of
// a project that has gone: something that was suspended while the project was
// undeployed, or was killed just before it could see to it, made it. A stream
// keeps the project's name from being used again, a version keeps its bundle.

// keyKinds are the kinds of entries that belong to a generation, and hiddenKinds those
// of them that the copy of the registry does not have.
var (
	keyKinds    = []string{"version", "function"}
	hiddenKinds = []string{"env", "build"}
)

// RemoveStrays removes all strays and returns how many there were. It may be
// repeated, by several at once, also while projects come and go.
func (s *Store) RemoveStrays(ctx context.Context) (int, error) {
	// What there is before what there may be: a project comes before all that
	// belongs to it, goes after it, and its generation never comes again.
	found, err := s.belongings(ctx)
	if err != nil {
		return 0, err
	}
	if !s.suspicious(found) {
		return 0, nil
	}
	live, err := s.generations(ctx)
	if err != nil {
		return 0, err
	}
	removed := 0
	for _, each := range found {
		if live[each.generation] {
			continue
		}
		was, err := each.remove(ctx)
		if err != nil {
			return removed, err
		}
		if was {
			removed++
		}
	}
	return removed, nil
}

// suspicious tells whether anything belongs to a generation that the copy of the
// registry does not know: mostly not, and then the leader need not be asked.
func (s *Store) suspicious(found []belonging) bool {
	known := map[string]bool{}
	for _, p := range all[multinode.Project](s.registry, "project.") {
		known[p.Generation] = true
	}
	return slices.ContainsFunc(found, func(b belonging) bool { return !known[b.generation] })
}

// belonging is something that belongs to a generation of a project.
type belonging struct {
	generation string
	// remove tells whether it was there.
	remove func(context.Context) (bool, error)
}

func (s *Store) belongings(ctx context.Context) ([]belonging, error) {
	var found []belonging
	names := s.js.StreamNames(ctx)
	for name := range names.Name() {
		if rest, ours := strings.CutPrefix(name, requestStreams); ours {
			generation, _, _ := strings.Cut(rest, "-")
			found = append(found, belonging{generation, func(ctx context.Context) (bool, error) { return s.removeStream(ctx, name) }})
		}
	}
	if err := names.Err(); err != nil {
		return nil, classify("list the streams", err)
	}
	keys := s.registry.held(keyKinds)
	for _, kind := range hiddenKinds {
		hidden, err := s.registry.keys(ctx, kind)
		if err != nil {
			return nil, err
		}
		keys = append(keys, hidden...)
	}
	for _, key := range keys {
		if names, err := parseTokens(key, 4); err == nil {
			found = append(found, belonging{names[2], func(ctx context.Context) (bool, error) { return s.removeKey(ctx, key) }})
		}
	}
	return found, nil
}

func (s *Store) removeStream(ctx context.Context, name string) (bool, error) {
	err := s.js.DeleteStream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	return err == nil, classify("delete the stream of a project that has gone", err)
}

// removeKey removes an entry of a project's generation, and its bundle where it is
// a version whose code nobody else uses.
func (s *Store) removeKey(ctx context.Context, key string) (bool, error) {
	stored, err := s.registry.kv.Get(ctx, key)
	if err = classify("look up "+key, err); isNotFound(err) {
		return false, nil // a marker
	}
	if err != nil {
		return false, err
	}
	var version multinode.Version
	if strings.HasPrefix(key, "version.") {
		if version, err = decode[multinode.Version](stored.Value()); err != nil {
			return false, fmt.Errorf("look up %s: %w", key, err)
		}
	}
	if err := s.deleteBundle(ctx, version); err != nil {
		return false, err
	}
	remove := s.registry.erase
	if kind, _, _ := strings.Cut(key, "."); slices.Contains(keyKinds, kind) {
		remove = func(ctx context.Context, key string) error { return s.registry.remove(ctx, key) }
	}
	if err := remove(ctx, key); err != nil {
		return false, err
	}
	return true, s.deleteBundle(ctx, version)
}

// generations returns those of all projects, as the registry's leader has them.
func (s *Store) generations(ctx context.Context) (map[string]bool, error) {
	keys, err := s.registry.keys(ctx, "project")
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	for _, key := range keys {
		project, _, err := reread[multinode.Project](ctx, s.registry, key)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list the projects: %w", err)
		}
		live[project.Generation] = true
	}
	return live, nil
}

// ForgetGone removes what is stored of invocations of a project's generation, and
// tells whether it did: it leaves a generation alone that is there. Whoever was
// suspended while the project was undeployed may have made a record after that.
func (s *Store) ForgetGone(ctx context.Context, project, generation string) (bool, error) {
	p, err := s.CurrentProject(ctx, project)
	if err != nil && !isNotFound(err) {
		return false, err
	}
	if err == nil && p.Generation == generation {
		return false, nil
	}
	return true, s.purgeInvocations(ctx, multinode.Project{Name: project, Generation: generation})
}
