package dispatcher_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode"
)

// Each way of ending without a result uses one try, and stays visible.
func TestEveryKindOfCrashUsesOneTry(t *testing.T) {
	s := newSystem(t, `import ctypes, os, signal
from multinode import Multinode

mn = Multinode()
ways = {
    "exit": lambda: os._exit(7),
    "segv": lambda: ctypes.string_at(0),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "memory": lambda: bytearray(1 << 62),
    "runner": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "none": lambda: "done",
}

@mn.function(max_retries=3)
def f(folder, *tries):
    n = len(os.listdir(folder))
    open(os.path.join(folder, str(n)), "x").close()
    print("try", n)
    return ways[tries[n]]()
`, fn("f", retries(3)))
	p := s.deploy("p")
	left := map[string]struct {
		kind multinode.OutcomeKind
		text string
	}{
		"exit":   {multinode.OutcomeFailed, "exit code 7"},
		"segv":   {multinode.OutcomeFailed, "SIGSEGV"},
		"kill":   {multinode.OutcomeFailed, "out of memory"},
		"memory": {multinode.OutcomeFailed, "MemoryError"},
		"runner": {multinode.OutcomeLost, "ended without a result"},
		"none":   {multinode.OutcomeSucceeded, ""},
	}
	keys := map[multinode.InvocationKey][]string{}
	for _, tries := range [][]string{{"exit", "segv", "none"}, {"kill", "memory", "none"}, {"runner", "none"}} {
		args := []any{t.TempDir()}
		for _, way := range tries {
			args = append(args, way)
		}
		keys[s.invoke(p, "f", args...)] = tries
	}
	for k, tries := range keys {
		record := s.end(k)
		if record.Status != multinode.Succeeded || len(record.Executions) != len(tries) || record.FailedAttempts() != len(tries)-1 {
			t.Fatalf("%v became %+v", tries, record)
		}
		for i, x := range record.Executions {
			want := left[tries[i]]
			o, _, err := s.store.Outcome(t.Context(), k.Execution(x.ID))
			s.must(err)
			if o.Kind != want.kind || !strings.Contains(o.Error, want.text) || x.StartedAt == nil || x.EndedAt == nil {
				t.Errorf("%s left %+v in %+v", tries[i], o, x)
			}
			lines, _, err := s.store.Logs(t.Context(), k.Execution(x.ID), "", 1000)
			s.must(err)
			if tries[i] == "runner" {
				continue // it may have died before its line was stored
			}
			// Where it stands among the lines of the other streams is not promised.
			if !slices.ContainsFunc(lines, func(l multinode.LogLine) bool { return l.Text == "try "+strconv.Itoa(i) }) {
				t.Errorf("%s logged %+v", tries[i], lines)
			}
		}
	}
}

// A process that has left the function's group and session ends with the worker
// all the same.
func TestWhatLeavesTheGroupEndsWithTheWorker(t *testing.T) {
	s := newSystem(t, `import os, subprocess
from multinode import Multinode

mn = Multinode()

@mn.function()
def f():
    outside = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    return outside.pid
`, fn("f"))
	record := s.end(s.invoke(s.deploy("p"), "f"))
	var pid int
	s.must(json.Unmarshal(s.outcome(record).Output, &pid))
	for ; processRuns(pid); time.Sleep(5 * time.Millisecond) { // nothing tells of the end of a stranger's process
		if t.Context().Err() != nil {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

// processRuns tells whether a process exists and is not a zombie.
func processRuns(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}
