package index

import (
	"bytes"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"multinode"
)

// Sizes of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 1000
)

// Query asks for a page of one function's invocations. Project, Generation and
// Function are mandatory; every other condition narrows the list, and all of
// them hold together.
type Query struct {
	Project, Generation, Function string
	// Version is an ID; "" means any.
	Version string
	// Status lists the wanted ones; empty means any.
	Status []multinode.Status
	// Terminal asks for the ended (true) or the unfinished ones (false).
	Terminal *bool
	// Parent asks for those started by it.
	Parent *multinode.Ancestor
	// Limit is the size of the page: DefaultLimit if it is not above 0, and at
	// most MaxLimit.
	Limit int
	// After is the cursor that came with the page before; "" is the first page.
	After string
}

// statuses returns the wanted ones, each once, in the order of the schema.
func (q Query) statuses() []multinode.Status {
	wanted := make([]multinode.Status, 0, len(statuses))
	for _, s := range statuses {
		if (len(q.Status) == 0 || slices.Contains(q.Status, s)) && (q.Terminal == nil || *q.Terminal == s.Terminal()) {
			wanted = append(wanted, s)
		}
	}
	return wanted
}

func (q Query) validate() error {
	if q.Project == "" || q.Generation == "" || q.Function == "" {
		return fmt.Errorf("%w: it must name a project, its generation and a function", ErrQuery)
	}
	for _, s := range q.Status {
		if _, ok := statusNumber(s); !ok {
			return fmt.Errorf("%w: there is no status %q", ErrQuery, s)
		}
	}
	return nil
}

func (q Query) limit() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}

// List returns a page of invocations, newest first, and the cursor of the next
// page, "" where this is the last. Paging to the end shows every invocation that
// was there from beginning to end, once, as long as its status matches
// throughout; those that arrive meanwhile are on earlier pages. A cursor does
// not expire. Its cost depends on the page, not on how long the list is.
//
// It returns ErrCursor for a cursor that was not made for this query, ErrQuery
// for a query that makes no sense, and ErrNotReady while catching up.
func (x *Index) List(q Query) (entries []Entry, next string, err error) {
	if err := q.validate(); err != nil {
		return nil, "", err
	}
	after, err := q.place()
	if err != nil {
		return nil, "", err
	}
	limit := q.limit()
	err = x.read("list invocations", func(tx *bbolt.Tx) error {
		m := q.merge(tx.Bucket(bucketLists), after)
		stored := tx.Bucket(bucketEntries)
		id := entryID{project: projectHash(q.Project, q.Generation)}
		entries = make([]Entry, 0, limit)
		var last order
		for place := m.next(); place != nil; place = m.next() {
			if len(entries) == limit {
				next = q.cursorAt(last)
				return nil
			}
			last = order(place)
			id.invocation = hash(last[orderSize-hashSize:])
			e, err := loadEntry(stored, id)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	return entries, next, nil
}

// loadEntry reads an entry that a key led to, so that it must be there.
func loadEntry(stored *bbolt.Bucket, id entryID) (Entry, error) {
	raw := stored.Get(id.bytes())
	if raw == nil {
		return Entry{}, fmt.Errorf("%w: a key leads to no entry", ErrDamaged)
	}
	e, err := decodeEntry(raw)
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return e, nil
}

// merge walks several lists at once, newest first.
type merge struct{ lanes []lane }

type lane struct {
	cursor *bbolt.Cursor
	list   hash
	place  []byte // of the current key; nil at the end
}

func (q Query) merge(lists *bbolt.Bucket, after *order) *merge {
	wanted := q.statuses()
	m := &merge{lanes: make([]lane, 0, len(wanted))}
	key := multinode.InvocationKey{Project: q.Project, Generation: q.Generation, Function: q.Function}
	for _, s := range wanted {
		l := lane{cursor: lists.Cursor(), list: listHash(key, s, q.Version, q.Parent)}
		l.seek(after)
		m.lanes = append(m.lanes, l)
	}
	return m
}

// next returns the newest place that was not returned before, or nil.
func (m *merge) next() []byte {
	var first *lane
	for i := range m.lanes {
		l := &m.lanes[i]
		if l.place != nil && (first == nil || bytes.Compare(l.place, first.place) < 0) {
			first = l
		}
	}
	if first == nil {
		return nil
	}
	place := first.place
	key, _ := first.cursor.Next()
	first.set(key)
	return place
}

func (l *lane) seek(after *order) {
	start := make([]byte, 0, hashSize+orderSize)
	start = append(start, l.list[:]...)
	if after != nil {
		start = append(start, after[:]...)
	}
	key, _ := l.cursor.Seek(start)
	if after != nil && bytes.Equal(key, start) {
		key, _ = l.cursor.Next()
	}
	l.set(key)
}

func (l *lane) set(key []byte) {
	l.place = nil
	if len(key) == hashSize+orderSize && bytes.HasPrefix(key, l.list[:]) {
		l.place = key[hashSize:]
	}
}
