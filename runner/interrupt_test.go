package runner

import (
	"context"
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

// Functions that say that they run, and then wait in different ways.
const (
	decorator = "import asyncio, os, signal, subprocess, sys, time\n" +
		"from multinode.errors import InvocationCancelledError, InvocationTimedOutError\n@mn.function()\n"
	sleeps  = decorator + "def f():\n print('running')\n time.sleep(600)"
	returns = decorator + "def f():\n try:\n  print('running')\n  time.sleep(600)\n" +
		" except (InvocationCancelledError, InvocationTimedOutError) as e:\n  return type(e).__name__"
)

func TestInterrupts(t *testing.T) {
	for name, test := range map[string]struct {
		main    string
		desired multinode.Desired
		kind    multinode.OutcomeKind
		output  string
	}{
		"cancel during time.sleep": {sleeps, multinode.Cancel, multinode.OutcomeCancelled, ""},
		"cancel and return":        {returns, multinode.Cancel, multinode.OutcomeCancelled, `"InvocationCancelledError"`},
		"time out and return":      {returns, multinode.TimeOut, multinode.OutcomeTimedOut, `"InvocationTimedOutError"`},
		"while reading from a pipe": {
			decorator + "def f():\n print('running')\n os.read(os.pipe()[0], 1)", multinode.Cancel, multinode.OutcomeCancelled, "",
		},
		"while waiting for a lock": {
			decorator + "def f():\n import threading\n print('running')\n threading.Event().wait()", multinode.Cancel, multinode.OutcomeCancelled, "",
		},
		"while computing": {
			decorator + "def f():\n print('running')\n while True: pass", multinode.Cancel, multinode.OutcomeCancelled, "",
		},
		"while importing": {
			"import time\nprint('running')\ntime.sleep(600)", multinode.Cancel, multinode.OutcomeCancelled, "",
		},
		"a coroutine at its await": {
			decorator + "async def f():\n try:\n  print('running')\n  await asyncio.gather(asyncio.sleep(600), asyncio.sleep(600))\n" +
				" except InvocationCancelledError:\n  await asyncio.sleep(0.01)\n  return 'cleaned up'",
			multinode.Cancel, multinode.OutcomeCancelled, `"cleaned up"`,
		},
		"a coroutine that blocks": {
			decorator + "async def f():\n try:\n  print('running')\n  time.sleep(600)\n except InvocationTimedOutError:\n  return 1",
			multinode.TimeOut, multinode.OutcomeTimedOut, "1",
		},
		"a generator that goes on": {
			decorator + "def f():\n try:\n  yield 1\n  print('running')\n  time.sleep(600)\n except InvocationCancelledError:\n  yield 2\n  yield 3",
			multinode.Cancel, multinode.OutcomeCancelled, "3",
		},
		"an asynchronous generator": {
			decorator + "async def f():\n try:\n  yield 1\n  print('running')\n  await asyncio.sleep(600)\n except InvocationCancelledError:\n  yield 2",
			multinode.Cancel, multinode.OutcomeCancelled, "2",
		},
		"an asynchronous generator that never waits": {
			decorator + "async def f():\n try:\n  print('running')\n  while True: yield 1\n except InvocationCancelledError:\n  yield 2",
			multinode.Cancel, multinode.OutcomeCancelled, "2",
		},
		// As where it comes just before the main thread blocks, it reaches Python, and nothing wakes up.
		"a signal that another thread has caught": {
			decorator + "def f():\n import threading\n threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n" +
				" signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n try:\n  print('running')\n  time.sleep(600)\n" +
				" except InvocationCancelledError:\n  return 'woken'",
			multinode.Cancel, multinode.OutcomeCancelled, `"woken"`,
		},
		"handlers that were replaced": {
			decorator + "def f():\n done = []\n signal.signal(signal.SIGTERM, lambda *_: done.append(1))\n print('running')\n" +
				" while not done: time.sleep(0.01)\n return 'own handler'",
			multinode.Cancel, multinode.OutcomeCancelled, `"own handler"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t, test.main).start()
			e.link.awaitLine(t, "running")
			e.link.desires <- test.desired
			o := e.outcome()
			if o.Kind != test.kind || string(o.Output) != test.output {
				t.Errorf("the outcome is %s, output %q, error %q; want %s, output %q\n%s",
					o.Kind, o.Output, o.Error, test.kind, test.output, e.link.text())
			}
			last := e.link.beats[len(e.link.beats)-1]
			if !slices.ContainsFunc(e.link.beats, func(b multinode.Beat) bool { return b.Interrupted == test.desired }) {
				t.Errorf("no beat confirmed the interrupt; the last is %+v", last)
			}
		})
	}
}

// A worker may be told to cancel while its Python still boots: the interrupt waits
// for it, and comes before any of the user's code.
func TestAnInterruptWaitsForThePythonThatBoots(t *testing.T) {
	e := prepare(t, returns)
	gate := fifo(t)
	slow := filepath.Join(t.TempDir(), "python")
	script := "#!/bin/sh\nread _ < '" + gate + "'\nexec '" + e.options.Python + "' \"$@\"\n"
	if err := os.WriteFile(slow, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	e.options.Python = slow
	e.start()
	e.link.desires <- multinode.Cancel
	e.link.await(t, "the interrupt to be confirmed", func(l *memoryLink) bool {
		return slices.ContainsFunc(l.beats, func(b multinode.Beat) bool { return b.Interrupted == multinode.Cancel })
	})
	if err := os.WriteFile(gate, []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.expect(multinode.OutcomeCancelled, "", "")
	if text := e.link.text(); strings.Contains(text, "running") {
		t.Errorf("the user's code ran:\n%s", text)
	}
}

func TestTimeoutIsKeptByTheRunner(t *testing.T) {
	e := prepare(t, returns)
	e.link.assignment.Timeout = 20 * time.Millisecond
	e.start()
	o := e.outcome()
	if o.Kind != multinode.OutcomeTimedOut || string(o.Output) != `"InvocationTimedOutError"` ||
		o.Error != "the function ran for longer than its timeout of 20ms" {
		t.Errorf("the outcome is %+v", o)
	}
}

func TestInterruptByBeat(t *testing.T) {
	e := prepare(t, sleeps)
	e.options.Limits.Beat = 10 * time.Millisecond
	e.start()
	e.link.awaitLine(t, "running")
	e.link.set(func(l *memoryLink) { l.answer = multinode.Cancel })
	e.expect(multinode.OutcomeCancelled, "", "")
}

func TestFirstInterruptDecides(t *testing.T) {
	e := prepare(t, decorator+"def f(path):\n try:\n  print('running')\n  time.sleep(600)\n"+
		" except InvocationTimedOutError: print('timed out')\n open(path).close()\n return 1", fifo(t)).start()
	e.link.awaitLine(t, "running")
	e.link.desires <- multinode.TimeOut
	e.link.awaitLine(t, "timed out")
	e.link.desires <- multinode.Cancel
	e.link.await(t, "the cancel to be taken", func(l *memoryLink) bool { return len(l.desires) == 0 })
	release(t, pathArgument(t, e))
	e.expect(multinode.OutcomeTimedOut, "1", "the function ran for longer than its timeout of 1h0m0s")
}

func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "signal")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pathArgument(t *testing.T, e *execution) string {
	t.Helper()
	_, path, ok := strings.Cut(string(e.link.assignment.Input), `"`)
	path, _, ok2 := strings.Cut(path, `"`)
	if !ok || !ok2 {
		t.Fatalf("no path in %s", e.link.assignment.Input)
	}
	return path
}

func TestCodeThatIgnoresInterruptsIsKilled(t *testing.T) {
	e := prepare(t, decorator+"def f():\n"+
		" children = [subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']) for _ in range(2)]\n"+
		" print(*[c.pid for c in children])\n"+
		" while True:\n  try:\n   print('running')\n   time.sleep(600)\n  except InvocationCancelledError: print('never mind')")
	e.options.Limits.Grace = 50 * time.Millisecond
	e.start()
	e.link.awaitLine(t, "running")
	e.link.desires <- multinode.Cancel
	e.expect(multinode.OutcomeCancelled, "", "the function did not end within 50ms of being interrupted, and was killed")
	e.expectLines("stdout: never mind", "system: killed: it did not end within 50ms of being interrupted")
	for _, pid := range strings.Fields(e.link.lines[0].Text) {
		awaitGone(t, pid)
	}
}

// awaitGone waits until a process that was killed has disappeared, or is a zombie
// that its new parent has not collected yet.
func awaitGone(t *testing.T, pid string) {
	t.Helper()
	number, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatalf("%q is no process ID", pid)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if errors.Is(syscall.Kill(number, 0), syscall.ESRCH) {
			return
		}
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s still runs: %s", pid, stat)
		}
	}
}

func TestWhatIsLeftBehindIsKilled(t *testing.T) {
	// The second one leaves the group and holds the pipes: it must not hold up the end.
	e := prepare(t, decorator+"def f():\n"+
		" sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"+
		" inside, outside = subprocess.Popen(sleep), subprocess.Popen(sleep, start_new_session=True)\n"+
		" return [str(inside.pid), str(outside.pid)]").start()
	o := e.outcome()
	pids := strings.Split(strings.Trim(string(o.Output), `[]"`), `", "`)
	if o.Kind != multinode.OutcomeSucceeded || len(pids) != 2 {
		t.Fatalf("the outcome is %+v", o)
	}
	outside, err := strconv.Atoi(pids[1])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(outside, syscall.SIGKILL) }()
	awaitGone(t, pids[0])
}

func TestProcessThatDoesNotEndIsKilled(t *testing.T) {
	e := prepare(t, "import atexit, time\natexit.register(time.sleep, 600)\n@mn.function()\ndef f(): return 1")
	e.options.Limits.Exit = 50 * time.Millisecond
	e.start().expect(multinode.OutcomeSucceeded, "1", "")
	e.expectLines("system: the process did not end within 50ms of its function, and was killed")
}

func TestLeave(t *testing.T) {
	e := prepare(t, sleeps).start()
	e.link.awaitLine(t, "running")
	e.link.desires <- multinode.Leave
	if err := e.wait(); !errors.Is(err, ErrLeft) || e.link.outcome != nil {
		t.Errorf("Run returned %v and stored %v", err, e.link.outcome)
	}
}

func TestLeaveWhileFinishing(t *testing.T) {
	e := prepare(t, "@mn.function()\ndef f(): return 1")
	e.link.hold = make(chan struct{})
	e.options.Limits.Beat = 10 * time.Millisecond
	e.start()
	e.link.await(t, "a beat of the last phase", func(l *memoryLink) bool {
		return len(l.beats) > 0 && l.beats[len(l.beats)-1].Phase == multinode.PhaseFinishing
	})
	e.link.desires <- multinode.Leave
	if err := e.wait(); !errors.Is(err, ErrLeft) || e.link.outcome != nil {
		t.Errorf("Run returned %v and stored %v", err, e.link.outcome)
	}
}

func TestLeaseRunsOut(t *testing.T) {
	e := prepare(t, sleeps)
	e.options.Limits.Lease = 100 * time.Millisecond
	e.start()
	e.link.awaitLine(t, "running")
	e.link.set(func(l *memoryLink) { l.offline = true })
	if err := e.wait(); !errors.Is(err, context.DeadlineExceeded) || e.link.outcome != nil {
		t.Errorf("Run returned %v and stored %v", err, e.link.outcome)
	}
}

func TestLeaseRunsOutAndTheConnectionComesBack(t *testing.T) {
	e := prepare(t, sleeps)
	e.options.Limits.Lease = 3 * time.Second
	e.options.Limits.Beat = 10 * time.Millisecond
	e.start()
	e.link.awaitLine(t, "running")
	e.link.set(func(l *memoryLink) { l.offline = true })
	e.link.await(t, "the user's code to be killed", func(l *memoryLink) bool {
		return l.beats[len(l.beats)-1].Phase == multinode.PhaseFinishing
	})
	e.link.set(func(l *memoryLink) { l.offline = false })
	e.expect(multinode.OutcomeFailed, "", "the worker had no connection for 3s and therefore stopped the function")
}

func TestShortDisconnectIsSurvived(t *testing.T) {
	e := prepare(t, decorator+"def f(path):\n print('running')\n open(path).close()\n return 1", fifo(t))
	e.options.Limits.Beat = 10 * time.Millisecond
	e.start()
	e.link.awaitLine(t, "running")
	beats := 0
	e.link.set(func(l *memoryLink) { l.offline, beats = true, len(l.beats) })
	e.link.await(t, "unanswered beats", func(l *memoryLink) bool { return len(l.beats) > beats+2 })
	release(t, pathArgument(t, e))
	e.link.set(func(l *memoryLink) { l.offline = false })
	e.expect(multinode.OutcomeSucceeded, "1", "")
}

func TestStop(t *testing.T) {
	for name, test := range map[string]struct{ main, output, err string }{
		"raises":  {sleeps, "", "the worker was stopped from outside before the function returned"},
		"returns": {returns, `"InvocationCancelledError"`, "the worker was stopped from outside while the function ran"},
		"ignores": {
			decorator + "def f():\n signal.signal(signal.SIGTERM, signal.SIG_IGN)\n print('running')\n time.sleep(600)",
			"", "the worker was stopped from outside before the function returned",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t, test.main)
			if name == "ignores" {
				e.options.Limits.Stop = 100 * time.Millisecond
			}
			e.start()
			e.link.awaitLine(t, "running")
			e.stop()
			e.expect(multinode.OutcomeFailed, test.output, test.err)
		})
	}
}
