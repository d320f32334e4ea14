package index

import (
	"bytes"
	"encoding/binary"
	"errors"
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

// Finished calls fn for each invocation that has ended, of all projects, the one
// that ended first first, until it returns false; fn runs outside of any
// transaction and may take its time.
func (x *Index) Finished(fn func(Entry) bool) error {
	return x.walk("list finished invocations", bucketFinished, nil, fn, func(key []byte) (id entryID, ok bool) {
		if len(key) != finishedSize {
			return id, false
		}
		return entryID{project: hash(key[8 : 8+hashSize]), invocation: hash(key[8+hashSize:])}, true
	})
}

// HasChildren tells whether anything is known that an invocation started. It costs
// one look, however much that is.
func (x *Index) HasChildren(parent multinode.InvocationKey) (found bool, err error) {
	list := childrenHash(parent.Project, parent.Generation, multinode.Ancestor{Function: parent.Function, ID: parent.ID})
	err = x.read("look for children", func(tx *bbolt.Tx) error {
		key, _ := tx.Bucket(bucketLists).Cursor().Seek(list[:])
		found = bytes.HasPrefix(key, list[:])
		return nil
	})
	return found, err
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
// this one and stand in line like it: not ended, and without a slot. It stops at
// AheadCap, which then means "or more". It is 0 for an invocation that is not in
// line or is not known here yet.
func (x *Index) Ahead(key multinode.InvocationKey) (ahead int, err error) {
	err = x.read("count what is ahead", func(tx *bbolt.Tx) error {
		e, found, err := entriesIn(tx).find(idOf(key))
		if err != nil || !found || e.HasSlot || e.Status.Terminal() {
			return err
		}
		prefix := functionOf(key.Project, key.Generation, key.Function)
		end := binary.BigEndian.AppendUint64(bytes.Clone(prefix[:]), e.Sequence)
		// Those with a slot are few: the function's quota bounds them.
		cursor := tx.Bucket(bucketUnfinished).Cursor()
		for k, slot := cursor.Seek(prefix[:]); k != nil && bytes.Compare(k, end) < 0 && ahead < AheadCap; k, slot = cursor.Next() {
			if bytes.Equal(slot, []byte{inLine}) {
				ahead++
			}
		}
		return nil
	})
	return ahead, err
}

// Before counts what comes before a request of the function in its turn for a slot:
// all that was accepted earlier and has not ended, and whatever of the later ones has
// a live execution. It stops at the limit, and looks at no more than AheadCap of the
// later ones: the function's slots are taken in the order of acceptance.
func (x *Index) Before(key multinode.InvocationKey, sequence uint64, limit int) (before int, err error) {
	err = x.read("count what comes before", func(tx *bbolt.Tx) error {
		prefix := functionOf(key.Project, key.Generation, key.Function)
		stored, own := entriesIn(tx), idOf(key).invocation
		at := binary.BigEndian.AppendUint64(bytes.Clone(prefix[:]), sequence)
		cursor := tx.Bucket(bucketUnfinished).Cursor()
		later := 0
		for k, slot := cursor.Seek(prefix[:]); bytes.HasPrefix(k, prefix[:]) && before < limit && later < AheadCap; k, slot = cursor.Next() {
			if len(k) != unfinishedSize {
				return fmt.Errorf("%w: a key of %d bytes", ErrDamaged, len(k))
			}
			if bytes.Compare(k, at) < 0 {
				before++
				continue
			}
			later++
			id := hash(k[unfinishedSize-hashSize:])
			if id == own || !bytes.Equal(slot, []byte{hasSlot}) {
				continue
			}
			e, found, err := stored.find(entryID{project: hash(k), invocation: id})
			if err != nil || !found {
				return errors.Join(err, fmt.Errorf("%w: a key leads to no entry", ErrDamaged))
			}
			if e.Live {
				before++
			}
		}
		return nil
	})
	return before, err
}

// Holders returns the invocations that hold a function's slots, in the order of
// acceptance, up to a number of them. It looks no further than AheadCap
// invocations that have not ended.
func (x *Index) Holders(project, generation, function string, limit int) (holders []Entry, err error) {
	err = x.read("find who holds the slots", func(tx *bbolt.Tx) error {
		prefix := functionOf(project, generation, function)
		stored := entriesIn(tx)
		cursor := tx.Bucket(bucketUnfinished).Cursor()
		k, slot := cursor.Seek(prefix[:])
		for n := 0; bytes.HasPrefix(k, prefix[:]) && len(holders) < limit && n < AheadCap; n++ {
			if bytes.Equal(slot, []byte{hasSlot}) && len(k) == unfinishedSize {
				e, found, err := stored.find(entryID{project: hash(k), invocation: hash(k[unfinishedSize-hashSize:])})
				if err != nil {
					return err
				}
				if !found {
					return fmt.Errorf("%w: a key leads to no entry", ErrDamaged)
				}
				holders = append(holders, e)
			}
			k, slot = cursor.Next()
		}
		return nil
	})
	return holders, err
}
