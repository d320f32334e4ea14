package process

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"syscall"
	"time"
)

// idVariable is inherited by everything that user code starts, and marks it as
// the worker's.
const idVariable = "MULTINODE_EXECUTION_ID"

// sweepFor is how long killed processes may take to disappear. More than an
// instant takes only one that hangs in the kernel.
const sweepFor = 10 * time.Second

var errStays = errors.New("does not end although it was killed; it hangs in the kernel, on a broken disk or network mount perhaps")

// belonging is what the search for a worker's processes starts from.
type belonging struct {
	runner identity
	// seenAlive tells that the runner was alive a moment ago, so that its pid, as
	// the number of a session, cannot be another's.
	seenAlive bool
	// variable marks the worker's processes in their environment; empty where the
	// mark may be that of another worker.
	variable string
	// leader is the process group that the runner named, 0 for none.
	leader int
	// known are processes that were found earlier.
	known map[identity]bool
}

// find returns the worker's processes, without the runner, in the given table.
func (b belonging) find(processes []entry, marked func(pid int, variable string) bool) []entry {
	byPID := make(map[int]entry, len(processes))
	for _, e := range processes {
		byPID[e.pid] = e
	}
	ours := map[int]bool{}
	if r, ok := byPID[b.runner.pid]; !ok && b.seenAlive || ok && r.start == b.runner.start {
		ours[b.runner.pid] = true
	}
	self := os.Getpid()
	var rest []entry
	for _, e := range processes {
		if e.pid <= 1 || e.pid == self || e.pid == b.runner.pid || e.start < b.runner.start {
			continue // what is older than the runner cannot be of it
		}
		known := b.known[identity{pid: e.pid, start: e.start, boot: b.runner.boot}]
		if known || e.pid == b.leader || !e.zombie && b.variable != "" && marked(e.pid, b.variable) {
			ours[e.pid] = true
		}
		rest = append(rest, e)
	}
	// Children, and members of what ours lead, are ours too, and theirs.
	for grown := true; grown; {
		grown = false
		for _, e := range rest {
			if !ours[e.pid] && (ours[e.parent] || ours[e.group] || ours[e.session]) {
				ours[e.pid] = true
				grown = true
			}
		}
	}
	var found []entry
	for _, e := range rest {
		if ours[e.pid] {
			found = append(found, e)
		}
	}
	return found
}

// belonging collects what is known of the worker's processes.
func (w *worker) belonging() belonging {
	b := belonging{
		runner:    w.process,
		seenAlive: w.seenAlive,
		variable:  idVariable + "=" + w.folder.id(),
		known:     map[identity]bool{},
	}
	w.mu.Lock()
	maps.Copy(b.known, w.known)
	w.mu.Unlock()
	if r, err := w.folder.record(); err == nil && r.process() != w.process {
		// The execution was stopped and launched again meanwhile: the mark and the
		// folder are those of its new worker.
		b.variable = ""
		return b
	}
	pgid, written, ok := w.folder.group()
	if !ok {
		return b
	}
	// A leader that is younger than the file has got a reused pid. A second is for
	// the coarseness of both times.
	if e, err := lookup(pgid); err == nil && e.group == pgid && !startedAt(e.start).After(written.Add(time.Second)) {
		b.leader = pgid
	}
	return b
}

// remember notes the processes that can be found while the runner lives: their
// parents and sessions may tell less later.
func (w *worker) remember() {
	processes, err := table()
	if err != nil {
		return
	}
	found := w.belonging().find(processes, hasVariable)
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range found {
		w.known[identity{pid: e.pid, start: e.start, boot: w.process.boot}] = true
	}
}

// sweep kills what is left of a worker whose runner has ended, and returns when
// nothing of it is found any more. What starts meanwhile is killed too.
func (b belonging) sweep() error {
	if b.runner.boot != bootID() {
		return nil
	}
	deadline := time.Now().Add(sweepFor)
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		processes, err := table()
		if err != nil {
			return fmt.Errorf("reading the process table: %w", err)
		}
		left := 0
		for _, e := range b.find(processes, hasVariable) {
			process := identity{pid: e.pid, start: e.start, boot: b.runner.boot}
			b.known[process] = true
			if e.zombie {
				// Orphans come to us if we are pid 1; else their parent reaps them.
				process.reap()
				continue
			}
			// What has become another user's is out of our power.
			if err := process.signal(syscall.SIGKILL); !errors.Is(err, os.ErrPermission) {
				left = e.pid
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d %w", left, errStays)
		}
		time.Sleep(wait)
	}
}
