package index

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

// shortMemory is a source that remembers deletions for streams.MarkerLife only.
type shortMemory struct {
	after chan uint64
	first streams.Change
	last  uint64
}

func (s *shortMemory) RecordsRevision(context.Context) (uint64, error) { return s.last, nil }

func (s *shortMemory) Changes(ctx context.Context, after uint64, deliver func([]streams.Change) error) error {
	s.after <- after
	var changes []streams.Change
	if after == 0 && s.last == s.first.Revision {
		changes = append(changes, s.first)
	} else if after < s.last { // it was deleted, and that was forgotten
		changes = append(changes, streams.Change{Revision: s.last, At: time.Now()})
	}
	if len(changes) > 0 {
		if err := deliver(changes); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestAFileThatMissedDeletionsIsMadeAgain(t *testing.T) {
	key := multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-1"}
	record := multinode.Invocation{Key: key, Status: multinode.Succeeded, UpdatedAt: time.Now()}
	source := &shortMemory{after: make(chan uint64, 2), first: streams.Change{Key: key, Record: &record, Revision: 5, At: time.Now()}, last: 5}
	path := filepath.Join(t.TempDir(), "index")
	for _, run := range []struct {
		what  string
		away  time.Duration
		last  uint64
		after uint64
		found bool
	}{
		{what: "a new file", last: 5, found: true},
		{what: "away for long, and nothing happened", away: 30 * maxAway, last: 5, after: 5, found: true},
		{what: "away for a little", away: maxAway / 2, last: 6, after: 5, found: true},
		{what: "away for long", away: 3 * maxAway, last: 7},
	} {
		source.last = run.last
		x, err := Open(path, source, nil)
		if err != nil {
			t.Fatal(err)
		}
		x.now = func() time.Time { return time.Now().Add(run.away) }
		ended := make(chan error, 1)
		go func() { ended <- x.Run(context.Background()) }()
		err = x.Ready(t.Context())
		_, found, read := x.Get(key)
		if after := <-source.after; after != run.after || found != run.found || errors.Join(err, read) != nil {
			t.Errorf("%s: fed after %d, found %v, %v", run.what, after, found, errors.Join(err, read))
		}
		if err := errors.Join(x.Close(), <-ended); err != nil {
			t.Error(err)
		}
	}
}
