package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFormsThatExcludeEachOtherAreRefused(t *testing.T) {
	for name, each := range map[string]struct {
		form form
		good bool
	}{
		"plain":                 {form{}, true},
		"with races and clocks": {form{race: true, clock: true, several: true}, true},
		"two systems":           {form{disk: true, cluster: true}, false},
		"points of several":     {form{points: true, several: true}, false},
		"suspended and full":    {form{suspend: true, disk: true}, false},
	} {
		if err := each.form.check(); (err == nil) != each.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (form{duration: -time.Second}).check() == nil {
		t.Error("less than no time is enough")
	}
}

// A version of Go that reads its clock in another way needs another overlay.
func TestTheClockOfThisGoCanBeSet(t *testing.T) {
	arguments, err := steppedTime(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if overlay, err := os.ReadFile(arguments[1]); err != nil || len(overlay) == 0 {
		t.Errorf("%q, %v", overlay, err)
	}
}

func TestAClockIsSetAsAWhole(t *testing.T) {
	c, err := newClocks(filepath.Join(t.TempDir(), "clocks"))
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []time.Duration{time.Second, -time.Hour, 0} {
		if err := c.set("up", by); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(c.file("up")); err != nil || string(text) == "" {
			t.Errorf("%q, %v", text, err)
		}
	}
	left, err := os.ReadDir(c.dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}
