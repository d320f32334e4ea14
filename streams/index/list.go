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
	err = x.read("list invocations", func(tx *bbolt.Tx) error {
		entries, next, err = q.page(tx, after)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return entries, next, nil
}

func (q Query) page(tx *bbolt.Tx, after *order) ([]Entry, string, error) {
	limit := q.limit()
	page := make([]Entry, 0, limit)
	stored := entriesIn(tx)
	m := q.merge(tx, after)
	var like Entry
	for l := m.first(); l != nil; l = m.first() {
		if len(page) == limit {
			return page, q.cursorAt(orderOf(like.CreatedAt, like.Sequence, idOf(like.Key).invocation)), nil
		}
		e, err := l.entry(stored, &like)
		if err != nil {
			return nil, "", err
		}
		page = append(page, e)
		like = e
		l.next()
	}
	return page, "", nil
}

// merge walks several lists at once, newest first.
type merge struct{ lanes []lane }

// lane is a walk of one list.
type lane struct {
	cursor *bbolt.Cursor
	list   hash
	// home is the list in the bucket of the entries that holds these too.
	home  hash
	place []byte // of the current key; nil at the end
	value []byte
}

func (q Query) merge(tx *bbolt.Tx, after *order) *merge {
	bucket := tx.Bucket(bucketEntries)
	if q.Version != "" || q.Parent != nil {
		bucket = tx.Bucket(bucketLists)
	}
	wanted := q.statuses()
	m := &merge{lanes: make([]lane, 0, len(wanted))}
	key := multinode.InvocationKey{Project: q.Project, Generation: q.Generation, Function: q.Function}
	for _, s := range wanted {
		l := lane{cursor: bucket.Cursor(), list: listHash(key, s, q.Version, q.Parent), home: listHash(key, s, "", nil)}
		l.seek(after)
		m.lanes = append(m.lanes, l)
	}
	return m
}

// first returns the lane whose current entry is the newest, or nil at the end.
func (m *merge) first() *lane {
	var first *lane
	for i := range m.lanes {
		l := &m.lanes[i]
		if l.place != nil && (first == nil || bytes.Compare(l.place, first.place) < 0) {
			first = l
		}
	}
	return first
}

// entry returns the lane's current one.
func (l *lane) entry(stored entries, like *Entry) (Entry, error) {
	if l.list == l.home {
		return readEntry(l.value, like)
	}
	return stored.at(listKey(l.home, order(l.place)), like)
}

func (l *lane) next() { l.set(l.cursor.Next()) }

func (l *lane) seek(after *order) {
	if after == nil {
		l.set(l.cursor.Seek(l.list[:]))
		return
	}
	start := listKey(l.list, *after)
	key, value := l.cursor.Seek(start)
	if bytes.Equal(key, start) {
		key, value = l.cursor.Next()
	}
	l.set(key, value)
}

func (l *lane) set(key, value []byte) {
	l.place, l.value = nil, nil
	if len(key) == listSize && bytes.HasPrefix(key, l.list[:]) {
		l.place, l.value = key[hashSize:], value
	}
}
