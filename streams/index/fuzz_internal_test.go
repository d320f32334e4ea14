package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
	"time"

	"multinode"
)

// FuzzEntry: an entry that is read and written again says the same. The checksum
// is put right, so that what lies behind it is reached.
func FuzzEntry(f *testing.F) {
	at := time.Unix(1_700_000_000, 5)
	for _, e := range []Entry{
		{Status: multinode.Pending},
		{
			Key:     multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-00112233445566778899aabbccddeeff"},
			Version: "ver-00112233445566778899aabbccddeeff", Status: multinode.Failed, CreatedAt: at, UpdatedAt: at, Sequence: 3,
			Revision: 4, Live: true, Parent: &multinode.Ancestor{Function: "f", ID: "inv-1"}, CancelRequestedAt: &at,
		},
	} {
		f.Add(encodeEntry(&e)[4:])
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, fields []byte) {
		_, _ = decodeEntry(fields, &Entry{})
		b := binary.BigEndian.AppendUint32(nil, crc32.Checksum(fields, castagnoli))
		e, err := decodeEntry(append(b, fields...), &Entry{})
		if err != nil {
			return
		}
		again, err := decodeEntry(encodeEntry(&e), &e)
		if err != nil {
			t.Fatalf("%+v cannot be read again: %v", e, err)
		}
		if !bytes.Equal(encodeEntry(&again), encodeEntry(&e)) {
			t.Errorf("%+v became %+v", e, again)
		}
	})
}

// FuzzCursor: a cursor that is taken is one that this query gives.
func FuzzCursor(f *testing.F) {
	q := Query{Project: "p", Generation: "g", Function: "f"}
	f.Add(q.cursorAt(order{}))
	f.Add(Query{Project: "q"}.cursorAt(order{1}))
	f.Add("")
	f.Add("====")
	f.Fuzz(func(t *testing.T, cursor string) {
		q.After = cursor
		place, err := q.place()
		switch {
		case err != nil && !errors.Is(err, ErrCursor):
			t.Error(err)
		case err == nil && place != nil && q.cursorAt(*place) != cursor:
			t.Errorf("%q was read as %x", cursor, *place)
		}
	})
}
