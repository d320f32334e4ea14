package index

import (
	"encoding/base64"
	"hash/crc32"
	"slices"
)

// A cursor is, in base64url: its version, the query that it belongs to, the
// place of the last entry that was given out, and a checksum. It holds nothing
// secret and needs no key: a forged one only reads from another place of the
// same list.
const (
	cursorVersion = 1
	queryMark     = 8
	cursorSize    = 1 + queryMark + orderSize + 4
)

// mark stands for all of a query but its page, so that a cursor is refused by
// any other list than the one it was made for.
func (q Query) mark() []byte {
	parts := []string{q.Project, q.Generation, q.Function, q.Version}
	for _, s := range q.statuses() {
		parts = append(parts, string(s))
	}
	if q.Parent != nil {
		parts = append(parts, "of", q.Parent.Function, q.Parent.ID)
	}
	h := hashOf('q', parts...)
	return h[:queryMark]
}

func (q Query) cursorAt(place order) string {
	b := make([]byte, 0, cursorSize)
	b = append(b, cursorVersion)
	b = append(b, q.mark()...)
	b = append(b, place[:]...)
	sum := crc32.Checksum(b, castagnoli)
	b = append(b, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
	return base64.RawURLEncoding.EncodeToString(b)
}

// place is where the query's cursor points; nil without one.
func (q Query) place() (*order, error) {
	if q.After == "" {
		return nil, nil
	}
	if len(q.After) != base64.RawURLEncoding.EncodedLen(cursorSize) {
		return nil, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.After)
	if err != nil || len(b) != cursorSize || b[0] != cursorVersion {
		return nil, ErrCursor
	}
	place := order(b[1+queryMark : 1+queryMark+orderSize])
	if !slices.Equal(b[1:1+queryMark], q.mark()) || q.cursorAt(place) != q.After {
		return nil, ErrCursor
	}
	return &place, nil
}
