package index

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"multinode"
	"multinode/streams"
)

// maxTransaction bounds the changes of one transaction, and so its memory.
const maxTransaction = 4096

// update is the newest change of one invocation within a batch.
type update struct {
	key    multinode.InvocationKey
	record *multinode.Invocation // nil: deleted
	rev    uint64
}

// newest leaves out changes that were applied before and all but the last of
// each invocation, and returns the revision that the rest leads to.
func newest(changes []streams.Change, applied uint64) ([]update, uint64) {
	updates := make([]update, 0, len(changes))
	at := make(map[multinode.InvocationKey]int, len(changes))
	for _, c := range changes {
		if c.Revision <= applied {
			continue // a replay
		}
		applied = c.Revision
		if c.Key == (multinode.InvocationKey{}) {
			continue // nothing that can be listed, but the revision counts
		}
		if i, ok := at[c.Key]; ok {
			updates[i].record, updates[i].rev = c.Record, c.Revision
			continue
		}
		at[c.Key] = len(updates)
		updates = append(updates, update{c.Key, c.Record, c.Revision})
	}
	return updates, applied
}

// apply brings the file from its revision to the changes' last, in one
// transaction, and returns that revision and the entries that are new.
func (x *Index) apply(changes []streams.Change) (applied uint64, entries []Entry, err error) {
	err = x.file.update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		var updates []update
		updates, applied = newest(changes, getNumber(meta, keyApplied))
		w := newWriter(tx)
		entries = make([]Entry, 0, len(updates))
		for _, u := range updates {
			if u.record != nil {
				if _, known := statusNumber(u.record.Status); !known {
					// Only a newer version of this program writes such a record.
					// Not listing one is better than stopping for all.
					x.log.Error("a record with an unknown status is not indexed", "invocation_id", u.key.ID, "status", u.record.Status)
					u.record = nil
				}
			}
			entry, err := w.write(u)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
		if err := w.flushCounts(); err != nil {
			return err
		}
		if last := changes[len(changes)-1]; !last.At.IsZero() {
			if err := putNumber(meta, keyAt, uint64(last.At.UnixNano())); err != nil {
				return err
			}
		}
		return putNumber(meta, keyApplied, applied)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("write to the index: %w", err)
	}
	return applied, entries, nil
}

// dropsProject tells whether a change says that all records of a project's
// generation are gone.
func dropsProject(c streams.Change) bool {
	return c.Record == nil && c.Key.Project != "" && c.Key.Function == "" && c.Key.ID == ""
}

// drop removes some of a project's entries and returns them, changed into those
// of invocations that are gone. Once none is left it takes note of the revision
// and returns true. Stopped half-way, it begins again with what is left.
func (x *Index) drop(c streams.Change) (gone []Entry, done bool, err error) {
	project := projectHash(c.Key.Project, c.Key.Generation)
	err = x.file.update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if done = c.Revision <= getNumber(meta, keyApplied); done {
			return nil
		}
		w := newWriter(tx)
		var keys []multinode.InvocationKey
		cursor := tx.Bucket(bucketPlaces).Cursor()
		k, home := cursor.Seek(project[:])
		for ; bytes.HasPrefix(k, project[:]) && len(keys) < maxTransaction; k, home = cursor.Next() {
			e, err := w.entries.at(home, &Entry{})
			if err != nil {
				return err
			}
			keys = append(keys, e.Key)
		}
		for _, key := range keys {
			entry, err := w.write(update{key: key, rev: c.Revision})
			if err != nil {
				return err
			}
			gone = append(gone, entry)
		}
		if err := w.flushCounts(); err != nil {
			return err
		}
		if done = len(keys) < maxTransaction; !done {
			return nil
		}
		return putNumber(meta, keyApplied, c.Revision)
	})
	if err != nil {
		return nil, false, fmt.Errorf("remove a project from the index: %w", err)
	}
	return gone, done, nil
}

// counters hold a function's number of invocations by status.
type counters [len(statuses)]int64

// writer is one transaction's; it collects what is written once at its end.
type writer struct {
	tx      *bbolt.Tx
	entries entries
	counts  map[functionID]*counters
}

func newWriter(tx *bbolt.Tx) *writer {
	return &writer{tx: tx, entries: entriesIn(tx), counts: map[functionID]*counters{}}
}

// write replaces all that is kept of an invocation. It returns the new entry; one
// without a status for an invocation that is gone.
func (w *writer) write(u update) (Entry, error) {
	var before, after []placement
	id := idOf(u.key)
	old, found, err := w.entries.find(id)
	if err != nil {
		return Entry{}, err
	}
	if found {
		before = old.placements(id)
		w.count(old.Key, old.Status, -1)
	}
	entry := Entry{Key: u.key, Revision: u.rev}
	if u.record != nil {
		entry = entryOf(u.key, u.record, u.rev)
		after = entry.placements(id)
		w.count(entry.Key, entry.Status, +1)
	}
	return entry, w.move(before, after)
}

// move deletes and puts only the keys that differ: most updates leave most of
// them where they are.
func (w *writer) move(before, after []placement) error {
	for _, p := range before {
		if !contains(after, p, false) {
			if err := w.tx.Bucket(p.bucket).Delete(p.key); err != nil {
				return err
			}
		}
	}
	for _, p := range after {
		if !contains(before, p, true) {
			if err := w.tx.Bucket(p.bucket).Put(p.key, p.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func contains(all []placement, p placement, withValue bool) bool {
	for _, q := range all {
		if bytes.Equal(p.bucket, q.bucket) && bytes.Equal(p.key, q.key) && (!withValue || bytes.Equal(p.value, q.value)) {
			return true
		}
	}
	return false
}

func (w *writer) count(k multinode.InvocationKey, s multinode.Status, by int64) {
	function := functionOf(k.Project, k.Generation, k.Function)
	c := w.counts[function]
	if c == nil {
		c = new(counters)
		w.counts[function] = c
	}
	n, _ := statusNumber(s)
	c[n] += by
}

func (w *writer) flushCounts() error {
	bucket := w.tx.Bucket(bucketCounts)
	for function, change := range w.counts {
		sum, err := decodeCounters(bucket.Get(function[:]))
		if err != nil {
			return err
		}
		total := int64(0)
		for i := range sum {
			sum[i] += change[i]
			if sum[i] < 0 {
				return fmt.Errorf("%w: a counter is below zero", ErrDamaged)
			}
			total += sum[i]
		}
		if total == 0 {
			err = bucket.Delete(function[:])
		} else {
			err = bucket.Put(function[:], encodeCounters(sum))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func encodeCounters(c counters) []byte {
	b := make([]byte, 0, 8*len(c))
	for _, n := range c {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func decodeCounters(b []byte) (counters, error) {
	var c counters
	if b == nil {
		return c, nil
	}
	if len(b) != 8*len(c) {
		return c, fmt.Errorf("%w: counters of %d bytes", ErrDamaged, len(b))
	}
	for i := range c {
		c[i] = int64(binary.BigEndian.Uint64(b[8*i:]))
	}
	return c, nil
}
