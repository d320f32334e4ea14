package streams

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// Change is a new state of a record.
type Change struct {
	// Key names the record. Where Function and ID are empty, all records of the
	// project's generation were deleted; where all of it is, there is nothing to
	// know but the revision.
	Key multinode.InvocationKey
	// Record is nil where it was deleted.
	Record *multinode.Invocation
	// Revision orders the changes of all records.
	Revision uint64
	// At is when it was stored, by the server's clock.
	At time.Time
}

// MarkerLife is how long it can be read that a record was deleted, once its
// invocation was forgotten. A reader that knows records from before, and was away
// for longer, has to start anew.
const MarkerLife = 24 * time.Hour

// awayFor is how long a reader may have been away: MarkerLife, with a margin for
// clocks that differ.
const awayFor = MarkerLife / 2

// Changes delivers the records' changes after a revision, in their order, in
// batches, until ctx ends or deliver fails; then new ones as they come. A record
// that changed several times may be delivered in its last state only. It
// survives whatever happens to NATS. It returns ErrResync where the stream's end lies
// before the revision: the stream is not the one that the reader knew.
func (s *Store) Changes(ctx context.Context, after uint64, deliver func([]Change) error) error {
	last, err := s.RecordsRevision(ctx)
	if err != nil {
		return err
	}
	if after > last {
		return ErrResync
	}
	r := &changesReader{store: s, deliver: deliver, reached: after, target: last}
	r.hear()
	f := &follower{
		store: s, stream: "KV_" + invocationsBucket, last: after, opened: r.opened, each: r.each, pulled: r.pulled,
		config: jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 1},
	}
	if err = f.begin(ctx); err == nil {
		err = f.run(ctx)
	}
	var failed *readerError
	if errors.As(err, &failed) {
		return failed.err
	}
	return err
}

// changesReader is what Changes knows.
type changesReader struct {
	store   *Store
	deliver func([]Change) error
	// reached is the revision that was delivered last, and target one that is to be
	// reached, perhaps without a change that leads there.
	reached, target uint64
	// heard is when the leader, or a change, was heard of last.
	heard time.Time
}

// hear notes the time without the monotonic reading, which may stand still.
func (r *changesReader) hear() { r.heard = r.store.now().Round(0) }

// away is ErrResync where deletions may have come and gone unheard.
func (r *changesReader) away() error {
	if r.store.now().Sub(r.heard) > awayFor {
		return ErrResync
	}
	return nil
}

// opened looks whether the stream is the one from before.
func (r *changesReader) opened(ctx context.Context, pending uint64) error {
	if err := r.away(); err != nil {
		return err
	}
	last, err := r.store.RecordsRevision(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	if last < r.reached {
		return ErrResync
	}
	r.hear()
	r.target = last
	if pending == 0 {
		return r.skip(ctx)
	}
	return nil
}

func (r *changesReader) each(ctx context.Context, batch []stored) error {
	if err := r.away(); err != nil {
		return err
	}
	r.hear()
	changes := make([]Change, len(batch))
	for i, m := range batch {
		change, err := parseChange(m)
		if err != nil {
			r.store.log.Error("a record is unreadable", "subject", m.Subject, "error", err)
			change = Change{Revision: change.Revision} // readers have to get past it
		}
		changes[i] = change
	}
	if err := r.deliver(changes); err != nil {
		return endsFollowing(err)
	}
	end := batch[len(batch)-1]
	if r.reached = end.sequence; end.pending == 0 {
		return r.skip(ctx)
	}
	return nil
}

// pulled asks the leader now and then: whoever is followed may be cut off from it.
func (r *changesReader) pulled(ctx context.Context) error {
	if err := r.away(); err != nil {
		return err
	}
	if r.store.now().Sub(r.heard) > awayFor/6 {
		if _, err := r.store.RecordsRevision(ctx); err == nil {
			r.hear()
		}
	}
	return r.skip(ctx)
}

// skip says that the target is reached where the leader has nothing more on the way
// there: the changes that led there are gone. That the consumer has nothing more
// does not say so: its server may lag behind the leader.
func (r *changesReader) skip(ctx context.Context) error {
	if r.reached >= r.target {
		return nil
	}
	next, err := r.store.leaderNext(ctx, "KV_"+invocationsBucket, r.reached+1)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	if err == nil && next <= r.target {
		return nil // it comes
	}
	if err := r.deliver([]Change{{Revision: r.target}}); err != nil {
		return endsFollowing(err)
	}
	r.reached = r.target
	return nil
}

// endsFollowing keeps the follower from trying again after an error of a reader's,
// whatever that wraps.
func endsFollowing(err error) error { return &readerError{err} }

type readerError struct{ err error }

func (e *readerError) Error() string { return e.err.Error() }

func parseChange(m stored) (Change, error) {
	change := Change{Revision: m.sequence, At: m.Time}
	key := strings.TrimPrefix(m.Subject, kvSubject(invocationsBucket, ""))
	if names, err := parseTokens(key, 2); err == nil {
		change.Key = multinode.InvocationKey{Project: names[0], Generation: names[1]}
		return change, nil
	}
	var err error
	if change.Key, err = ParseInvocationKey(key); err != nil {
		return change, err
	}
	if len(m.Data) == 0 {
		return change, nil
	}
	record, err := decode[multinode.Invocation](m.Data)
	change.Record = &record
	return change, err
}

// RecordsRevision returns the revision of the newest change of any record.
func (s *Store) RecordsRevision(ctx context.Context) (uint64, error) {
	info, err := s.recordsStream.Info(ctx)
	if err != nil {
		return 0, classify("look at the records", err)
	}
	return info.State.LastSeq, nil
}

// DeleteRecord deletes the record of an invocation that has ended, the last of
// what is stored of it.
func (s *Store) DeleteRecord(ctx context.Context, k multinode.InvocationKey, revision uint64) error {
	err := s.records.Delete(ctx, InvocationKeyName(k), jetstream.LastRevision(revision))
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return ErrExists
	}
	return classify("delete the record", err)
}
