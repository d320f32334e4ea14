package index

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"multinode"
)

// AheadCap is where Ahead stops counting: it stands for "this many or more".
const AheadCap = 10_000

// walkPage is the number of entries that are read in one transaction while
// walking: long ones would keep bbolt from reusing pages.
const walkPage = 256

// read runs fn in a read transaction of an index that has caught up.
func (x *Index) read(op string, fn func(*bbolt.Tx) error) error {
	err := x.file.view(func(tx *bbolt.Tx) error {
		// Asked in here, where the file cannot be replaced by an empty one.
		if !x.progress.isReady() {
			return ErrNotReady
		}
		return fn(tx)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// Get returns what the index knows of an invocation, and false where it knows
// nothing: the record may be too new, or gone.
func (x *Index) Get(key multinode.InvocationKey) (entry Entry, found bool, err error) {
	err = x.read("look up an invocation", func(tx *bbolt.Tx) error {
		entry, found, err = entriesIn(tx).find(idOf(key))
		return err
	})
	return entry, found, err
}

// Counts returns the number of a function's invocations for each status that
// has any.
func (x *Index) Counts(project, generation, function string) (map[multinode.Status]int, error) {
	counts := map[multinode.Status]int{}
	err := x.read("count invocations", func(tx *bbolt.Tx) error {
		id := functionOf(project, generation, function)
		c, err := decodeCounters(tx.Bucket(bucketCounts).Get(id[:]))
		for i, n := range c {
			if n != 0 {
				counts[statuses[i]] = int(n)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// Children returns the direct children of an invocation, of any function and
// status, newest first. All of them are held in memory; see EachChild.
func (x *Index) Children(parent multinode.InvocationKey) ([]Entry, error) {
	var children []Entry
	err := x.EachChild(parent, func(e Entry) bool {
		children = append(children, e)
		return true
	})
	return children, err
}

// EachChild calls fn for each direct child of an invocation, newest first, until
// it returns false. Every child that was there when it began is seen, once; fn
// runs outside of any transaction and may take its time.
func (x *Index) EachChild(parent multinode.InvocationKey, fn func(Entry) bool) error {
	list := childrenHash(parent.Project, parent.Generation, multinode.Ancestor{Function: parent.Function, ID: parent.ID})
	project := projectHash(parent.Project, parent.Generation)
	return x.walk("list children", bucketLists, list[:], fn, func(key []byte) (id entryID, ok bool) {
		if len(key) != listSize {
			return id, false
		}
		return entryID{project: project, invocation: hash(key[listSize-hashSize:])}, true
	})
}

// Unfinished calls fn for each invocation of a project, or of all if both
// project and generation are empty, that has not ended, until fn returns false.
// Those of one function come in the order of acceptance. Every invocation that is
// unfinished throughout is seen, once; fn runs outside of any transaction and
// may take its time.
func (x *Index) Unfinished(project, generation string, fn func(Entry) bool) error {
	var prefix []byte
	if project != "" || generation != "" {
		p := projectHash(project, generation)
		prefix = p[:]
	}
	return x.walk("list unfinished invocations", bucketUnfinished, prefix, fn, func(key []byte) (id entryID, ok bool) {
		if len(key) != unfinishedSize {
			return id, false
		}
		return entryID{project: hash(key), invocation: hash(key[unfinishedSize-hashSize:])}, true
	})
}

// walk calls fn for the entries that the keys with the prefix lead to, a page
// per transaction.
func (x *Index) walk(op string, bucket, prefix []byte, fn func(Entry) bool, target func(key []byte) (entryID, bool)) error {
	from := prefix
	for more := true; more; {
		page := make([]Entry, 0, walkPage)
		err := x.read(op, func(tx *bbolt.Tx) error {
			stored := entriesIn(tx)
			cursor := tx.Bucket(bucket).Cursor()
			key, _ := cursor.Seek(from)
			for ; key != nil && bytes.HasPrefix(key, prefix) && len(page) < walkPage; key, _ = cursor.Next() {
				id, ok := target(key)
				if !ok {
					return fmt.Errorf("%w: a key of %d bytes", ErrDamaged, len(key))
				}
				e, found, err := stored.find(id)
				if err != nil {
					return err
				}
				if !found {
					return fmt.Errorf("%w: a key leads to no entry", ErrDamaged)
				}
				page = append(page, e)
			}
			more = key != nil && bytes.HasPrefix(key, prefix)
			from = bytes.Clone(key)
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if !fn(e) {
				return nil
			}
		}
	}
	return nil
}

// Ahead counts the invocations of the same function that were accepted before
// this one and wait like it: neither ended nor with a live execution. It stops at
// AheadCap, which then means "or more". It is 0 for an invocation that does not
// wait or is not known here yet.
func (x *Index) Ahead(key multinode.InvocationKey) (pending int, err error) {
	err = x.read("count what is ahead", func(tx *bbolt.Tx) error {
		e, found, err := entriesIn(tx).find(idOf(key))
		if err != nil || !found || e.Live || e.Status.Terminal() {
			return err
		}
		prefix := functionOf(key.Project, key.Generation, key.Function)
		end := binary.BigEndian.AppendUint64(bytes.Clone(prefix[:]), e.Sequence)
		// Those that are live are few: the function's quota bounds them.
		cursor := tx.Bucket(bucketUnfinished).Cursor()
		for k, live := cursor.Seek(prefix[:]); k != nil && bytes.Compare(k, end) < 0 && pending < AheadCap; k, live = cursor.Next() {
			if len(live) == 1 && live[0] == 0 {
				pending++
			}
		}
		return nil
	})
	return pending, err
}
