package index

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"multinode"
)

const (
	hashSize  = 16
	orderSize = 8 + 8 + hashSize
	listSize  = hashSize + orderSize

	unfinishedSize = 2*hashSize + 8 + hashSize
	finishedSize   = 8 + 2*hashSize

	// What the bucket of the unfinished says of each.
	inLine  = 0
	hasSlot = 1
)

// hash stands for names in keys; see the package documentation.
type hash [hashSize]byte

// order places an entry among the entries of a list, newest first.
type order [orderSize]byte

// Kinds keep the hashes of different things apart.
const (
	kindInvocation = 'i'
	kindProject    = 'p'
	kindFunction   = 'f'
	kindList       = 'l'
	kindNested     = 'n'
	kindChildren   = 'c'
)

func hashOf(kind byte, parts ...string) hash {
	buf := make([]byte, 0, 512)
	buf = append(buf, kind)
	for _, part := range parts {
		buf = binary.AppendUvarint(buf, uint64(len(part)))
		buf = append(buf, part...)
	}
	sum := sha256.Sum256(buf)
	return hash(sum[:hashSize])
}

func projectHash(project, generation string) hash {
	return hashOf(kindProject, project, generation)
}

// entryID finds an entry by its invocation. The project stands first, so that the entries
// of one can be found without a list.
type entryID struct{ project, invocation hash }

func idOf(k multinode.InvocationKey) entryID {
	return entryID{
		project:    projectHash(k.Project, k.Generation),
		invocation: hashOf(kindInvocation, k.Project, k.Generation, k.Function, k.ID),
	}
}

func (id entryID) bytes() []byte {
	return append(append(make([]byte, 0, 2*hashSize), id.project[:]...), id.invocation[:]...)
}

// functionID is the key of a function's counters and the prefix of its
// unfinished invocations.
type functionID [2 * hashSize]byte

func functionOf(project, generation, function string) functionID {
	var id functionID
	p, f := projectHash(project, generation), hashOf(kindFunction, function)
	copy(id[:hashSize], p[:])
	copy(id[hashSize:], f[:])
	return id
}

// listHash names the list of a function's invocations of one status: of any
// version if version is empty, of any or no parent if parent is nil.
func listHash(k multinode.InvocationKey, s multinode.Status, version string, parent *multinode.Ancestor) hash {
	if parent == nil {
		return hashOf(kindList, k.Project, k.Generation, k.Function, string(s), version)
	}
	return hashOf(kindNested, k.Project, k.Generation, k.Function, string(s), version, parent.Function, parent.ID)
}

func childrenHash(project, generation string, parent multinode.Ancestor) hash {
	return hashOf(kindChildren, project, generation, parent.Function, parent.ID)
}

func orderOf(created time.Time, sequence uint64, invocation hash) order {
	var o order
	// Times before 1970 are none that a record has; they sort as the oldest.
	binary.BigEndian.PutUint64(o[0:], ^uint64(max(0, created.UnixNano())))
	binary.BigEndian.PutUint64(o[8:], ^sequence)
	copy(o[16:], invocation[:])
	return o
}

// placement is a key and its value, in one of the buckets.
type placement struct {
	bucket     []byte
	key, value []byte
}

// placements returns all that is kept of an entry.
func (e *Entry) placements(id entryID) []placement {
	place := orderOf(e.CreatedAt, e.Sequence, id.invocation)
	home := listKey(listHash(e.Key, e.Status, "", nil), place)
	all := make([]placement, 0, 8)
	all = append(all, placement{bucketEntries, home, encodeEntry(e)}, placement{bucketPlaces, id.bytes(), home})
	list := func(h hash) {
		all = append(all, placement{bucketLists, listKey(h, place), nil})
	}
	if e.Version != "" {
		list(listHash(e.Key, e.Status, e.Version, nil))
	}
	if e.Parent != nil {
		list(listHash(e.Key, e.Status, "", e.Parent))
		if e.Version != "" {
			list(listHash(e.Key, e.Status, e.Version, e.Parent))
		}
		list(childrenHash(e.Key.Project, e.Key.Generation, *e.Parent))
	}
	if e.Status.Terminal() {
		key := binary.BigEndian.AppendUint64(make([]byte, 0, finishedSize), uint64(max(0, e.UpdatedAt.UnixNano())))
		all = append(all, placement{bucketFinished, append(key, id.bytes()...), nil})
	} else {
		function := functionOf(e.Key.Project, e.Key.Generation, e.Key.Function)
		key := make([]byte, 0, unfinishedSize)
		key = append(key, function[:]...)
		key = binary.BigEndian.AppendUint64(key, e.Sequence)
		key = append(key, id.invocation[:]...)
		slot := []byte{inLine}
		if e.HasSlot {
			slot[0] = hasSlot
		}
		all = append(all, placement{bucketUnfinished, key, slot})
	}
	return all
}

func listKey(list hash, place order) []byte {
	return append(append(make([]byte, 0, listSize), list[:]...), place[:]...)
}
