package index

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"multinode"
)

func TestEntryEncodingIsReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			if rapid.Bool().Draw(t, name+" is an ID") {
				return rapid.StringMatching(`(inv|ver|exe)-[0-9a-f]{32}`).Draw(t, name)
			}
			return rapid.String().Draw(t, name)
		}
		at := func(name string) time.Time {
			if rapid.IntRange(0, 9).Draw(t, name+" is zero") == 0 {
				return time.Time{}
			}
			return time.Unix(0, rapid.Int64().Draw(t, name))
		}
		e := Entry{
			Key:     multinode.InvocationKey{Project: text("project"), Generation: text("generation"), Function: text("function"), ID: text("ID")},
			Version: text("version"), Status: rapid.SampledFrom(statuses[:]).Draw(t, "status"),
			CreatedAt: at("created"), UpdatedAt: at("updated"),
			Sequence: rapid.Uint64().Draw(t, "sequence"), Revision: rapid.Uint64().Draw(t, "revision"),
			Live: rapid.Bool().Draw(t, "live"), HasSlot: rapid.Bool().Draw(t, "slot"),
		}
		if rapid.Bool().Draw(t, "nested") {
			e.Parent = &multinode.Ancestor{Function: text("parent function"), ID: text("parent ID")}
		}
		if rapid.Bool().Draw(t, "cancel") {
			c := at("cancel")
			e.CancelRequestedAt = &c
		}
		b := encodeEntry(&e)
		like := Entry{}
		if rapid.Bool().Draw(t, "like itself") {
			like = e
		}
		got, err := decodeEntry(b, &like)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		if describe(got) != describe(e) || got.Key != e.Key || !got.CreatedAt.Equal(e.CreatedAt) {
			t.Fatalf("got %+v, want %+v", got, e)
		}
		i := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
		b[i/8] ^= 1 << (i % 8)
		if _, err := decodeEntry(b, &Entry{}); err == nil {
			t.Fatalf("a flipped bit went unseen")
		}
	})
}
