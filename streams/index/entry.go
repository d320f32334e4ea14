package index

import (
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"multinode"
)

// Entry is what the index knows of an invocation: what lists show, no more. The
// rest is in the record.
type Entry struct {
	Key     multinode.InvocationKey
	Version string
	// Parent is in the same project and generation; nil for a root.
	Parent            *multinode.Ancestor
	Status            multinode.Status
	CancelRequestedAt *time.Time
	CreatedAt         time.Time
	UpdatedAt         time.Time
	// Sequence is the request's in its function's stream.
	Sequence uint64
	// Live tells whether an execution of it has not ended.
	Live bool
	// HasSlot tells whether it was delivered and has not ended: it holds one of
	// the function's slots, also between two tries.
	HasSlot bool
	// Revision is that of the record this entry was made from.
	Revision uint64
}

// statuses are all that a record can have. Their order is part of the schema:
// counters and entries name a status by its place here.
var statuses = [...]multinode.Status{
	multinode.Pending, multinode.Running, multinode.Cancelling,
	multinode.Succeeded, multinode.Failed, multinode.Cancelled, multinode.TimedOut,
}

func statusNumber(s multinode.Status) (int, bool) {
	for i, known := range statuses {
		if s == known {
			return i, true
		}
	}
	return 0, false
}

func entryOf(key multinode.InvocationKey, record *multinode.Invocation, revision uint64) Entry {
	e := Entry{
		Key:               key,
		Version:           record.Version,
		Status:            record.Status,
		CancelRequestedAt: record.CancelRequestedAt,
		CreatedAt:         record.CreatedAt,
		UpdatedAt:         record.UpdatedAt,
		Sequence:          record.Sequence,
		Revision:          revision,
	}
	if parent, ok := record.Parent(); ok {
		e.Parent = &parent
	}
	_, e.Live = record.Live()
	e.HasSlot = !e.Status.Terminal() && (len(record.Executions) > 0 || record.Waiting != nil)
	return e
}

// entries are the stored ones, within a transaction.
type entries struct{ stored, places *bbolt.Bucket }

func entriesIn(tx *bbolt.Tx) entries {
	return entries{stored: tx.Bucket(bucketEntries), places: tx.Bucket(bucketPlaces)}
}

// find returns an invocation's entry, if there is one.
func (s entries) find(id entryID) (Entry, bool, error) {
	home := s.places.Get(id.bytes())
	if home == nil {
		return Entry{}, false, nil
	}
	e, err := s.at(home, &Entry{})
	return e, err == nil, err
}

// at returns the entry that a key led to, so that it must be there.
func (s entries) at(home []byte, like *Entry) (Entry, error) {
	raw := s.stored.Get(home)
	if raw == nil {
		return Entry{}, fmt.Errorf("%w: a key leads to no entry", ErrDamaged)
	}
	return readEntry(raw, like)
}

func readEntry(raw []byte, like *Entry) (Entry, error) {
	e, err := decodeEntry(raw, like)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return e, nil
}
