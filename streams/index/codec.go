package index

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"time"

	"multinode"
)

// The encoding of an entry: a CRC-32C of all that follows, then the fields in
// their order. It is compact and cheap to read, as a page decodes 50 of them;
// any change to it needs another schema number.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errEncoding = errors.New("an entry cannot be decoded")

const (
	flagParent = 1 << iota
	flagCancel
	flagLive
	flagSlot
)

func encodeEntry(e *Entry) []byte {
	var flags byte
	if e.Parent != nil {
		flags |= flagParent
	}
	if e.CancelRequestedAt != nil {
		flags |= flagCancel
	}
	if e.Live {
		flags |= flagLive
	}
	if e.HasSlot {
		flags |= flagSlot
	}
	number, _ := statusNumber(e.Status)
	b := make([]byte, 4, 192)
	b = append(b, flags, byte(number))
	b = appendText(b, e.Key.Project)
	b = appendText(b, e.Key.Generation)
	b = appendText(b, e.Key.Function)
	b = appendText(b, e.Key.ID)
	b = appendText(b, e.Version)
	b = appendTime(b, e.CreatedAt)
	b = appendTime(b, e.UpdatedAt)
	b = binary.AppendUvarint(b, e.Sequence)
	b = binary.AppendUvarint(b, e.Revision)
	if e.Parent != nil {
		b = appendText(b, e.Parent.Function)
		b = appendText(b, e.Parent.ID)
	}
	if e.CancelRequestedAt != nil {
		b = appendTime(b, *e.CancelRequestedAt)
	}
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b
}

// decodeEntry reads an entry. Names that are those of like are taken from it
// instead of being allocated again: most entries of a page share them.
func decodeEntry(b []byte, like *Entry) (Entry, error) {
	if len(b) < 6 || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) {
		return Entry{}, errEncoding
	}
	flags, number := b[4], b[5]
	if int(number) >= len(statuses) {
		return Entry{}, errEncoding
	}
	r := reader{b: b[6:]}
	e := Entry{
		Key: multinode.InvocationKey{
			Project: r.text(like.Key.Project), Generation: r.text(like.Key.Generation),
			Function: r.text(like.Key.Function), ID: r.text(""),
		},
		Version:   r.text(like.Version),
		Status:    statuses[number],
		CreatedAt: r.time(),
		UpdatedAt: r.time(),
		Sequence:  r.uvarint(),
		Revision:  r.uvarint(),
		Live:      flags&flagLive != 0,
		HasSlot:   flags&flagSlot != 0,
	}
	if flags&flagParent != 0 {
		e.Parent = &multinode.Ancestor{Function: r.text(""), ID: r.text("")}
	}
	if flags&flagCancel != 0 {
		at := r.time()
		e.CancelRequestedAt = &at
	}
	if r.failed || len(r.b) != 0 {
		return Entry{}, errEncoding
	}
	return e, nil
}

// idDigits are those of an ID such as "inv-<32 hex>", which is stored as its
// prefix and 16 bytes.
const (
	idPrefix = 4
	idDigits = 32
)

// appendText writes the length, shifted to make room for a bit that marks the
// short form of an ID, and then the text.
func appendText(b []byte, s string) []byte {
	if len(s) == idPrefix+idDigits && multinode.ValidID(s[:idPrefix-1], s) {
		b = append(b, (idPrefix+idDigits/2)<<1|1)
		b = append(b, s[:idPrefix]...)
		b, _ = hex.AppendDecode(b, []byte(s[idPrefix:]))
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(s))<<1)
	return append(b, s...)
}

func appendTime(b []byte, t time.Time) []byte {
	b = binary.AppendVarint(b, t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()))
}

// reader takes fields off b; after the first that does not fit, failed is set
// and everything reads as zero.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// text reads a text, which is like if it is the same.
func (r *reader) text(like string) string {
	head := r.uvarint()
	size := head >> 1
	if size > uint64(len(r.b)) {
		r.fail()
		return ""
	}
	raw := r.b[:size]
	r.b = r.b[size:]
	if head&1 == 1 {
		if size != idPrefix+idDigits/2 {
			r.fail()
			return ""
		}
		var id [idPrefix + idDigits]byte
		copy(id[:], raw[:idPrefix])
		hex.Encode(id[idPrefix:], raw[idPrefix:])
		raw = id[:]
	}
	if string(raw) == like {
		return like
	}
	return string(raw)
}

func (r *reader) time() time.Time {
	seconds := r.varint()
	return time.Unix(seconds, int64(r.uvarint())).UTC()
}

func (r *reader) fail() {
	r.failed = true
	r.b = nil
}
