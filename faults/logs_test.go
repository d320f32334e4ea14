package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAlarmsInLogsAreFound(t *testing.T) {
	for line, want := range map[string]bool{
		"panic: assignment to entry in nil map":                    true,
		"WARNING: DATA RACE":                                       true,
		`time=x level=ERROR msg="a handler panicked" part=gateway`: true,
		`time=x level=ERROR msg=broken`:                            true,
		`time=x level=WARN msg="ended an execution by verdict"`:    false,
		`time=x level=ERROR msg="a version could not be prepared; it will be tried again" part=dispatcher`: false,
		`time=x level=ERROR msg="feeding the index failed and is tried again"`:                             true,
	} {
		if _, is := alarming(line, &system{}); is != want {
			t.Errorf("%s: %v", line, is)
		}
	}
	if _, is := alarming(`time=x level=ERROR msg="feeding the index failed and is tried again"`, &system{brokers: []*server{nil}}); is {
		t.Error("an index that is not fed while NATS is down is not to be expected")
	}
	full := `time=x level=ERROR msg=nats-server line="write: no space left on device"`
	if _, is := alarming(full, &system{}); !is {
		t.Error("a full disk that nobody filled is to be expected")
	}
	if _, is := alarming(full, &system{disk: &disk{}}); is {
		t.Error("a full disk is not to be expected where it is filled")
	}
}

func TestARaceOfAnyProcessIsAViolation(t *testing.T) {
	r := &run{ledger: newLedger()}
	r.scanRaces()
	r.races = t.TempDir()
	if r.scanRaces(); len(r.violations) != 0 {
		t.Fatalf("without any there are %q", r.violations)
	}
	if err := os.WriteFile(filepath.Join(r.races, "race.123"), []byte("WARNING: DATA RACE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r.scanRaces(); len(r.violations) != 1 {
		t.Errorf("violations: %q", r.violations)
	}
}
