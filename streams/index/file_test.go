package index

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"multinode"
)

func TestResumesBehindWhatWasApplied(t *testing.T) {
	m := newMemory()
	path := filepath.Join(t.TempDir(), "index")
	for n := range 3 {
		x := start(t, path, m, "boot")
		m.put(key("f", n), pending(key("f", n), n))
		caughtUp(within(t), t, x.Index, m)
		x.stop()
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []uint64{0, 1, 2}; !slices.Equal(m.began(), want) {
		t.Fatalf("the feed began after %v, want %v", m.began(), want)
	}
}

func TestFileIsMadeAgain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *testing.T, path string, image []byte)
		boot   string
		want   uint64 // where the feed begins
	}{
		"a killed process loses nothing": {put, "boot", 2},
		"another boot":                   {put, "boot 2", 0},
		"unknown boot":                   {put, "", 0},
		"empty file":                     {func(t *testing.T, path string, _ []byte) { put(t, path, nil) }, "boot", 0},
		"not a bbolt file": {func(t *testing.T, path string, _ []byte) {
			put(t, path, []byte(strings.Repeat("not a bbolt file", 4096)))
		}, "boot", 0},
		"other schema": {func(t *testing.T, path string, image []byte) {
			put(t, path, image)
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			err = db.Update(func(tx *bbolt.Tx) error { return putNumber(tx.Bucket(bucketMeta), keySchema, schema+1) })
			if err != nil {
				t.Fatal(err)
			}
		}, "boot", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			path := filepath.Join(t.TempDir(), "folder", "index")
			x := start(t, path, m, "boot")
			m.put(key("f", 1), pending(key("f", 1), 1))
			m.put(key("f", 2), pending(key("f", 2), 2))
			caughtUp(within(t), t, x.Index, m)
			image, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			x.stop()
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			c.change(t, path, image)
			x = start(t, path, m, c.boot)
			defer func() { x.stop(); _ = x.Close() }()
			m.put(key("f", 3), pending(key("f", 3), 3)) // once it is there, the feed has begun
			caughtUp(within(t), t, x.Index, m)
			if got := m.began()[1]; got != c.want {
				t.Errorf("the feed began after %d, want %d", got, c.want)
			}
			if counts, err := x.Counts("p", "g", "f"); err != nil || counts[multinode.Pending] != 3 {
				t.Errorf("counts are %v, %v", counts, err)
			}
		})
	}
}

func put(t *testing.T, path string, image []byte) {
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageSeenByAReaderIsMended(t *testing.T) {
	x, m := opened(t)
	k := key("f", 1)
	m.put(k, pending(k, 1))
	caughtUp(within(t), t, x.Index, m)
	err := x.file.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketEntries)
		home, raw := b.Cursor().First()
		home, raw = bytes.Clone(home), bytes.Clone(raw)
		raw[len(raw)-1] ^= 1
		return b.Put(home, raw)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Get(k); !errors.Is(err, ErrDamaged) {
		t.Fatalf("a flipped bit gives %v", err)
	}
	caughtUp(within(t), t, x.Index, m)
	if _, found, err := x.Get(k); err != nil || !found {
		t.Fatalf("after that: %v, %v", found, err)
	}
}

func TestOnlyOneHasTheFile(t *testing.T) {
	x, m := opened(t)
	caughtUp(within(t), t, x.Index, m)
	if _, err := Open(x.file.path, m, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a second Open gives %v", err)
	}
	if err := x.Run(within(t)); !errors.Is(err, ErrRunning) {
		t.Errorf("a second Run gives %v", err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Errorf("a second Close gives %v", err)
	}
	if _, _, err := x.Get(key("f", 1)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed index gives %v", err)
	}
	if err := x.Ready(within(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Ready of a closed index gives %v", err)
	}
}

func TestOpenSaysWhatTheFileSystemSaid(t *testing.T) {
	if _, err := Open(t.TempDir(), newMemory(), nil); err == nil {
		t.Error("a folder was opened")
	}
	path := filepath.Join(t.TempDir(), "file")
	put(t, path, nil)
	if _, err := Open(filepath.Join(path, "index"), newMemory(), nil); err == nil {
		t.Error("a file was taken for a folder")
	}
}
