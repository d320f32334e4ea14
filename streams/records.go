package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// Record returns an invocation's record and its revision. Where there is none
// but the request is stored, the record is made up: whoever got an ID can use it
// at once. It returns ErrNotFound where neither exists.
func (s *Store) Record(ctx context.Context, k multinode.InvocationKey) (multinode.Invocation, uint64, error) {
	record, revision, err := s.readRecord(ctx, k)
	if !isNotFound(err) {
		return deref(record), revision, err
	}
	r, err := s.Request(ctx, k)
	if err != nil {
		return multinode.Invocation{}, 0, err
	}
	return s.EnsureRecord(ctx, r)
}

// EnsureRecord makes the record of a stored request where it is missing, and
// returns it. It returns ErrVersionUnknown where the request names no version
// that can run.
func (s *Store) EnsureRecord(ctx context.Context, r Request) (multinode.Invocation, uint64, error) {
	accepted, err := s.Accepted(ctx, r)
	if err != nil {
		return multinode.Invocation{}, 0, err
	}
	// A record is missing more often than not: try to create it unseen.
	return s.ApplyTo(ctx, r.Key, nil, 0, accepted)
}

// Accepted returns the event of a stored request's acceptance. It returns
// ErrVersionUnknown where the request names no version that can run, and
// ErrNotFound where its project has gone.
func (s *Store) Accepted(ctx context.Context, r Request) (multinode.Accepted, error) {
	project, err := s.Project(ctx, r.Key.Project)
	if err != nil {
		return multinode.Accepted{}, err
	}
	if project.Generation != r.Key.Generation {
		return multinode.Accepted{}, fmt.Errorf("the project was created anew: %w", ErrNotFound)
	}
	if r.Version == "" {
		function, err := s.Function(ctx, project, r.Key.Function)
		if err != nil {
			return multinode.Accepted{}, err
		}
		id, ok := function.VersionAt(r.Sequence)
		if !ok {
			return multinode.Accepted{}, ErrVersionUnknown
		}
		r.Version = id
	}
	version, err := s.Version(ctx, project, r.Version)
	if isNotFound(err) {
		return multinode.Accepted{}, fmt.Errorf("%w: %q", ErrVersionUnknown, r.Version)
	}
	if err != nil {
		return multinode.Accepted{}, err
	}
	spec, ok := version.Function(r.Key.Function)
	if !ok {
		return multinode.Accepted{}, fmt.Errorf("%w: %q has no such function", ErrVersionUnknown, r.Version)
	}
	return multinode.Accepted{
		Key: r.Key, Version: r.Version, Spec: spec, Lineage: r.Lineage, Sequence: r.Sequence, At: r.Time.UTC(),
	}, nil
}

// Apply is the one writer of records: it loads the record, lets Next say what
// follows from each event in turn, and stores that by compare and set, again
// from the start where another writer came first. Events that change nothing are
// skipped. It returns the record as it is stored afterwards, also beside an
// error of Next's.
func (s *Store) Apply(ctx context.Context, k multinode.InvocationKey, events ...multinode.Event) (multinode.Invocation, uint64, error) {
	record, revision, err := s.readRecord(ctx, k)
	if err != nil && !isNotFound(err) {
		return multinode.Invocation{}, 0, err
	}
	return s.ApplyTo(ctx, k, record, revision, events...)
}

// ApplyTo is Apply for a caller that has read the record already; nil and 0 say
// that there is none. It reads again only where that is out of date.
func (s *Store) ApplyTo(ctx context.Context, k multinode.InvocationKey, record *multinode.Invocation, revision uint64, events ...multinode.Event) (multinode.Invocation, uint64, error) {
	for {
		next, changed, err := fold(record, events)
		if err != nil || !changed {
			if err != nil && revision != 0 {
				// What was read may be old: an answer "no" must be today's.
				fresh, at, again := s.leaderRecord(ctx, k)
				if again != nil {
					return deref(record), revision, again
				}
				if fresh == nil {
					return multinode.Invocation{}, 0, ErrNotFound // deleted for good
				}
				if at != revision {
					record, revision = fresh, at
					continue
				}
			}
			return deref(record), revision, err
		}
		data, err := json.Marshal(next)
		if err != nil {
			return deref(record), revision, err
		}
		stored, err := s.records.Update(ctx, InvocationKeyName(k), data, revision)
		if err == nil {
			return next, stored, nil
		}
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return deref(record), revision, classify("store the record", err)
		}
		if record, revision, err = s.leaderRecord(ctx, k); err != nil {
			return multinode.Invocation{}, 0, err
		}
		if record == nil && revision != 0 {
			// The record was deleted for good; it must not rise again.
			return multinode.Invocation{}, 0, ErrNotFound
		}
	}
}

func fold(record *multinode.Invocation, events []multinode.Event) (multinode.Invocation, bool, error) {
	changed := false
	for _, e := range events {
		next, err := multinode.Next(record, e)
		if errors.Is(err, multinode.ErrNoChange) {
			continue
		}
		if err != nil {
			return deref(record), false, err
		}
		record, changed = &next, true
	}
	return deref(record), changed, nil
}

func deref(record *multinode.Invocation) multinode.Invocation {
	if record == nil {
		return multinode.Invocation{}
	}
	return *record
}

// CurrentRecord is Record as the stream's leader has it now, which is what a
// decision to stop a worker must rest on. It makes no record up.
func (s *Store) CurrentRecord(ctx context.Context, k multinode.InvocationKey) (multinode.Invocation, error) {
	record, _, err := s.leaderRecord(ctx, k)
	if err == nil && record == nil {
		err = ErrNotFound
	}
	return deref(record), err
}

// readRecord may be answered by a replica and be a little old.
func (s *Store) readRecord(ctx context.Context, k multinode.InvocationKey) (*multinode.Invocation, uint64, error) {
	stored, err := s.records.Get(ctx, InvocationKeyName(k))
	if err != nil {
		return nil, 0, classify("read the record", err)
	}
	record, err := decode[multinode.Invocation](stored.Value())
	return &record, stored.Revision(), err
}

// leaderRecord is answered by the stream's leader. Where the record was deleted
// it returns nil and the revision of that; nil and 0 where there never was one.
func (s *Store) leaderRecord(ctx context.Context, k multinode.InvocationKey) (*multinode.Invocation, uint64, error) {
	m, err := s.leaderGet(ctx, "KV_"+invocationsBucket, kvSubject(invocationsBucket, InvocationKeyName(k)))
	if isNotFound(err) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if len(m.Data) == 0 { // a marker of deletion has a header and no body
		return nil, m.Sequence, nil
	}
	record, err := decode[multinode.Invocation](m.Data)
	return &record, m.Sequence, err
}
