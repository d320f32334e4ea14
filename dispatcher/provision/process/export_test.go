package process

import (
	"errors"
	"os"
	"testing"
)

// PollOnly makes this test's provisioners do without what announces the end of a
// process.
func PollOnly(t *testing.T) {
	open := openProcess
	openProcess = func(int) (*os.File, error) { return nil, errors.ErrUnsupported }
	t.Cleanup(func() { openProcess = open })
}

// At has step called after each step of a launch.
func (p *Provisioner) At(step func(string)) { p.at = step }

// Marked returns the processes of this machine that carry the execution's mark.
func Marked(t *testing.T, executionID string) (pids []int) {
	t.Helper()
	processes, err := table()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range processes {
		if !e.zombie && hasVariable(e.pid, idVariable+"="+executionID) {
			pids = append(pids, e.pid)
		}
	}
	return pids
}

// RecordOf returns what worker.json would hold for a process.
func RecordOf(t *testing.T, pid int) map[string]any {
	t.Helper()
	e, err := lookup(pid)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"pid": float64(pid), "start": float64(e.start), "boot": bootID()}
}

// RunnerOf returns the pid of the runner in a worker's folder.
func RunnerOf(t *testing.T, path string) int {
	t.Helper()
	r, err := folder{path: path}.record()
	if err != nil {
		t.Fatal(err)
	}
	return r.PID
}

// Alive tells whether any process has the pid.
func Alive(pid int) bool {
	e, err := lookup(pid)
	return err == nil && !e.zombie
}

// For tests from outside.
var (
	CopyTree = copyTree
	Shorten  = shorten
	Tail     = tail
)
