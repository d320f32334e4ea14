package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestAPointThatWasNotReachedFailsAThoroughRun(t *testing.T) {
	c, err := newCrashes([]string{"a.reached", "b.missed"}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &run{ledger: newLedger(), crashes: c}
	r.search.ends = time.Now().Add(time.Hour)
	if err := os.WriteFile(filepath.Join(c.once, "a.reached"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r.searched() {
		t.Error("it gave up at once")
	}
	if armed := c.allArmed(nil)[0]; armed != "MULTINODE_FAILPOINTS=b.missed" {
		t.Errorf("armed: %s", armed)
	}
	c.again()
	r.unreached()
	if len(r.violations) != 1 || r.violations[0] != "nothing died at the fail point b.missed" {
		t.Errorf("violations: %q", r.violations)
	}
	r.search.ends = time.Now()
	if !r.searched() {
		t.Error("it goes on after its time")
	}
}
