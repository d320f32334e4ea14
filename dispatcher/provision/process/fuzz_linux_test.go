package process

import (
	"bytes"
	"testing"
)

// FuzzStat: a process may call itself anything, and is found by its number and its
// start all the same.
func FuzzStat(f *testing.F) {
	f.Add([]byte("x"))
	f.Add([]byte("a) Z (b"))
	f.Add([]byte(") S 1 1 1 1"))
	f.Add([]byte("\n\x00)"))
	f.Fuzz(func(t *testing.T, name []byte) {
		const rest = ") S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 200 18446744073709551615"
		name = name[:min(len(name), 64)]
		want := entry{pid: 42, parent: 7, group: 8, session: 9, start: 123456}
		if got, err := parseStat(42, bytes.Join([][]byte{[]byte("42 ("), name, []byte(rest)}, nil)); err != nil || got != want {
			t.Errorf("the name %q: %+v, %v", name, got, err)
		}
		_, _ = parseStat(42, name) // must not panic
	})
}
