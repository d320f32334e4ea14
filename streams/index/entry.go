package index

import (
	"time"

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
	return e
}
