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

// maxChanges bounds the batches that Changes delivers.
const maxChanges = 512

// Changes delivers the records' changes after a revision, in their order, in
// batches, until ctx ends or deliver fails; then new ones as they come. A record
// that changed several times may be delivered in its last state only. It
// survives reconnects. It returns ErrResync at once where the stream's end lies
// before the revision: the stream is not the one that the reader knew.
func (s *Store) Changes(ctx context.Context, after uint64, deliver func([]Change) error) error {
	last, err := s.RecordsRevision(ctx)
	if err != nil {
		return err
	}
	heard := s.now().Round(0) // without the monotonic reading, which may stand still
	if after > last {
		return ErrResync
	}
	consumer, err := s.js.OrderedConsumer(ctx, "KV_"+invocationsBucket, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
	})
	if err != nil {
		return classify("follow the records", err)
	}
	messages := make(chan jetstream.Msg, maxChanges)
	// Consume's callbacks come one after the other; a full channel holds them up,
	// which is the back-pressure wanted here.
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		select {
		case messages <- m:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxMessages(maxChanges))
	if err != nil {
		return classify("follow the records", err)
	}
	defer consuming.Stop()
	if consumer.CachedInfo().NumPending == 0 && after < last {
		// The end of the stream was that of markers which are gone.
		if err := deliver([]Change{{Revision: last}}); err != nil {
			return err
		}
	}
	look := time.NewTicker(awayFor / 6)
	defer look.Stop()
	closed := consuming.Closed() // each call of it costs a goroutine
	for {
		select {
		case m := <-messages:
			if s.now().Sub(heard) > awayFor {
				return ErrResync
			}
			heard = s.now().Round(0)
			if err := deliver(s.batch(m, messages, last)); err != nil {
				return err
			}
		case <-look.C:
			if s.now().Sub(heard) > awayFor {
				return ErrResync
			}
			if _, err := s.RecordsRevision(ctx); err == nil {
				heard = s.now().Round(0)
			}
		case <-closed:
			return fmt.Errorf("follow the records: %w", ErrUnavailable)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// batch takes what has come beside the first message. Where nothing is left
// before the sequence that was the last, it says so.
func (s *Store) batch(first jetstream.Msg, more <-chan jetstream.Msg, last uint64) []Change {
	var batch []Change
	for m := first; ; {
		change, err := parseChange(m)
		if err != nil {
			s.log.Error("a record is unreadable", "subject", m.Subject(), "error", err)
			change = Change{Revision: change.Revision} // readers have to get past it
		}
		batch = append(batch, change)
		if change.Revision < last && nothingPending(m) {
			batch = append(batch, Change{Revision: last, At: change.At})
		}
		if len(batch) >= maxChanges {
			return batch
		}
		select {
		case m = <-more:
		default:
			return batch
		}
	}
}

func parseChange(m jetstream.Msg) (Change, error) {
	meta, err := m.Metadata()
	if err != nil {
		return Change{}, err
	}
	change := Change{Revision: meta.Sequence.Stream, At: meta.Timestamp}
	key := strings.TrimPrefix(m.Subject(), kvSubject(invocationsBucket, ""))
	if names, err := parseTokens(key, 2); err == nil {
		change.Key = multinode.InvocationKey{Project: names[0], Generation: names[1]}
		return change, nil
	}
	if change.Key, err = ParseInvocationKey(key); err != nil {
		return change, err
	}
	if len(m.Data()) == 0 {
		return change, nil
	}
	record, err := decode[multinode.Invocation](m.Data())
	change.Record = &record
	return change, err
}

func nothingPending(m jetstream.Msg) bool {
	meta, err := m.Metadata()
	return err == nil && meta.NumPending == 0
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
