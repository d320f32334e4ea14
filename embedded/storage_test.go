package embedded

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStoreLimitLeavesAReserve(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		used        int64
		free, total uint64
		want        int64
	}{
		"a small disk":             {0, 50 * gib, 50 * gib, 45 * gib},
		"a big disk":               {0, 900 * gib, 1000 * gib, 890 * gib},
		"what is stored counts":    {20 * gib, 30 * gib, 50 * gib, 45 * gib},
		"the reserve is eaten":     {3 * gib, 1 * gib, 50 * gib, 3*gib + mib},
		"nothing free":             {3 * gib, 0, 50 * gib, 3*gib + mib},
		"just above the reserve":   {0, 5*gib + 10, 50 * gib, mib},
		"an empty file system too": {0, 0, 0, mib},
	} {
		got := storeLimit(c.used, c.free, c.total)
		if diff := got - c.want; diff < -1000 || diff > 1000 { // per cents round
			t.Errorf("%s: %d instead of %d", name, got, c.want)
		}
	}
}

func TestMaxStoreLooksAtTheDisk(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if size, err := folderSize(dir); err != nil || size != 5000 {
		t.Errorf("the folder has %d bytes, %v", size, err)
	}
	if limit, err := maxStore(dir); err != nil || limit < 5000+smallestGrowth {
		t.Errorf("the limit is %d, %v", limit, err)
	}
}

func TestWriteJSONReplacesAsAWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	for want := range 3 {
		if err := writeJSON(path, listenState{Port: want}); err != nil {
			t.Fatal(err)
		}
		var got listenState
		if found, err := readJSON(path, &got); !found || err != nil || got.Port != want {
			t.Errorf("read %+v, %v, %v", got, found, err)
		}
	}
	if err := writeJSON(path, func() {}); err == nil {
		t.Error("a function was written")
	}
	// A target that cannot be replaced: the new content is not left lying about.
	blocked := filepath.Join(dir, "blocked")
	if err := os.MkdirAll(filepath.Join(blocked, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(blocked, listenState{}); err == nil {
		t.Error("a folder was replaced")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

func TestServerLogIsBounded(t *testing.T) {
	var text bytes.Buffer
	log := newServerLog(slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelWarn})))
	log.Noticef("a notice")
	for range 10 * logBurst {
		log.Errorf("user %q may not", "x")
	}
	if n := strings.Count(text.String(), "\n"); n < logBurst || n > 2*logBurst {
		t.Errorf("%d lines", n)
	}
	if strings.Contains(text.String(), "a notice") {
		t.Error("a notice was logged")
	}
	log.Fatalf("first %d", 1)
	log.Fatalf("second")
	if first, ok := log.failure(); !ok || first != "first 1" {
		t.Errorf("the failure is %q", first)
	}
}
