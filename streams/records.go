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

// Known returns an invocation's record and its revision, or 0 where there is none. It
// makes none up, and may be a little old.
func (s *Store) Known(ctx context.Context, k multinode.InvocationKey) (multinode.Invocation, uint64, error) {
	record, revision, err := s.readRecord(ctx, k)
	if isNotFound(err) {
		return multinode.Invocation{}, 0, nil
	}
	return deref(record), revision, err
}

// EnsureRecord makes the record of a stored request where it is missing, and
// returns it. A request that cannot be run has one, too: it waits to be refused.
func (s *Store) EnsureRecord(ctx context.Context, r Request) (multinode.Invocation, uint64, error) {
	accepted, err := s.Accepted(ctx, r)
	if err != nil && !errors.Is(err, ErrMalformed) {
		return multinode.Invocation{}, 0, err
	}
	// A record is missing more often than not: try to create it unseen.
	return s.ApplyTo(ctx, r.Key, nil, 0, accepted)
}

// Accepted returns the event of a stored request's acceptance, also beside
// ErrMalformed, which says that the request cannot be run. It returns ErrNotFound
// where the request's project has gone.
func (s *Store) Accepted(ctx context.Context, r Request) (multinode.Accepted, error) {
	project, err := s.Project(ctx, r.Key.Project)
	if err != nil {
		return multinode.Accepted{}, err
	}
	if project.Generation != r.Key.Generation {
		return multinode.Accepted{}, fmt.Errorf("the project was created anew: %w", ErrNotFound)
	}
	malformed := r.Malformed
	id, spec, err := s.runsOn(ctx, project, r)
	if errors.Is(err, ErrVersionUnknown) {
		malformed = errors.Join(malformed, err)
		// It is listed with the version that served when it came.
		r.Version = ""
		if id, spec, err = s.runsOn(ctx, project, r); errors.Is(err, ErrVersionUnknown) {
			id, spec, err = "", multinode.FunctionSpec{Name: r.Key.Function}, nil
		}
	}
	if err != nil {
		return multinode.Accepted{}, err
	}
	accepted := multinode.Accepted{
		Key: r.Key, Version: id, Spec: spec, Lineage: r.Lineage, Sequence: r.Sequence, At: r.Time.UTC(),
	}
	if malformed != nil {
		return accepted, fmt.Errorf("%w: %w", ErrMalformed, malformed)
	}
	return accepted, nil
}

// runsOn returns the version that a request runs on and its function, or
// ErrVersionUnknown.
func (s *Store) runsOn(ctx context.Context, p multinode.Project, r Request) (string, multinode.FunctionSpec, error) {
	id := r.Version
	if id == "" {
		function, err := s.Function(ctx, p, r.Key.Function)
		if err != nil {
			return "", multinode.FunctionSpec{}, err
		}
		var ok bool
		if id, ok = function.VersionAt(r.Sequence); !ok {
			return "", multinode.FunctionSpec{}, ErrVersionUnknown
		}
	}
	version, err := s.Version(ctx, p, id)
	if isNotFound(err) {
		return "", multinode.FunctionSpec{}, fmt.Errorf("%w: %q", ErrVersionUnknown, id)
	}
	if err != nil {
		return "", multinode.FunctionSpec{}, err
	}
	spec, ok := version.Function(r.Key.Function)
	if !ok {
		return "", multinode.FunctionSpec{}, fmt.Errorf("%w: %q has no such function", ErrVersionUnknown, id)
	}
	return id, spec, nil
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
		if record != nil {
			switch use := compareUse(events, *record); {
			case use < 0:
				return multinode.Invocation{}, 0, ErrNotFound // its own was deleted for good
			case use > 0 && record.Status.Terminal():
				record = nil // of an earlier use of the ID, and about to be deleted
			}
		}
		next, changed, err := fold(record, events)
		if err != nil || !changed {
			if err != nil && revision != 0 {
				// What was read may be old: an answer "no" must be today's.
				fresh, at, _, again := s.leaderRecord(ctx, k)
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
		var used uint64
		if record, revision, used, err = s.leaderRecord(ctx, k); err != nil {
			return multinode.Invocation{}, 0, err
		}
		if record == nil && revision != 0 && !usesAgain(events, used) {
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
	record, _, err := s.CurrentRevision(ctx, k)
	return record, err
}

// CurrentRevision is CurrentRecord with the record's revision.
func (s *Store) CurrentRevision(ctx context.Context, k multinode.InvocationKey) (multinode.Invocation, uint64, error) {
	record, revision, _, err := s.leaderRecord(ctx, k)
	if err == nil && record == nil {
		err = ErrNotFound
	}
	return deref(record), revision, err
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
// it returns nil, the revision of that, and the sequence of the request that it
// was of, if that is known; nil and 0 where there never was one.
func (s *Store) leaderRecord(ctx context.Context, k multinode.InvocationKey) (record *multinode.Invocation, revision, used uint64, err error) {
	m, err := s.leaderGet(ctx, "KV_"+invocationsBucket, kvSubject(invocationsBucket, InvocationKeyName(k)))
	if isNotFound(err) {
		return nil, 0, 0, nil
	}
	if err != nil {
		return nil, 0, 0, err
	}
	if len(m.Data) == 0 { // a marker of deletion has a header and no body
		return nil, m.Sequence, usedBy(m.Header), nil
	}
	stored, err := decode[multinode.Invocation](m.Data)
	return &stored, m.Sequence, 0, err
}
