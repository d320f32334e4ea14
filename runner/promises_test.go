package runner

import (
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
)

// The functions below print "running" and go on for ever, each in its own way.
// Interrupted, they yield or return what they were interrupted by.
func endless(statements string) string {
	return "import asyncio, os, re, signal, socket, subprocess, sys, threading, time\n" +
		"from multinode.errors import InvocationCancelledError, InvocationTimedOutError\n" +
		"@mn.function()\ndef f():\n try:\n  print('running')\n  " + statements + "\n" +
		" except InvocationTimedOutError as e:\n  return type(e).__name__\n"
}

const day = 24 * time.Hour

// startOnFakeClock starts the execution, with a timeout of a day, by a clock that
// stands still. It returns once the function runs, and by how much the clock has
// moved until then: the function began somewhere in that span.
func (e *execution) startOnFakeClock() (*clockwork.FakeClock, time.Duration) {
	e.t.Helper()
	clock := clockwork.NewFakeClock()
	began := clock.Now()
	e.options.Clock = clock
	e.link.assignment.Timeout = day
	e.start()
	e.link.awaitLine(e.t, "running")
	e.awaitBeat(clock, "the function to begin", func(b multinode.Beat) bool { return b.Phase == multinode.PhaseRunning })
	return clock, clock.Since(began)
}

// awaitBeat moves the clock on from beat to beat until the condition holds for one.
func (e *execution) awaitBeat(clock *clockwork.FakeClock, what string, condition func(multinode.Beat) bool) {
	e.t.Helper()
	n := 0
	for {
		clock.Advance(e.options.Limits.Beat)
		fine := false
		e.link.await(e.t, what, func(l *memoryLink) bool {
			if len(l.beats) <= n {
				return false
			}
			n = len(l.beats)
			fine = condition(l.beats[n-1])
			return true
		})
		if fine {
			return
		}
	}
}

func TestTimeoutOfADayReachesEveryFunction(t *testing.T) {
	for name, main := range map[string]string{
		"time.sleep":           endless("time.sleep(1000)"),
		"a socket":             endless("a, b = socket.socketpair(); a.recv(1)"),
		"an accept":            endless("s = socket.create_server(('127.0.0.1', 0)); s.accept()"),
		"a busy loop":          endless("while True: pass"),
		"a lock":               endless("lock = threading.Lock(); lock.acquire(); lock.acquire()"),
		"a join":               endless("t = threading.Thread(target=time.sleep, args=(1000,), daemon=True); t.start(); t.join()"),
		"a subprocess":         endless("p = subprocess.Popen(['sleep', '1000']); p.wait()"),
		"its output":           endless("subprocess.run(['sleep', '1000'], capture_output=True)"),
		"an await":             strings.Replace(endless("await asyncio.sleep(1000)"), "def f", "async def f", 1),
		"an await of a thread": strings.Replace(endless("await asyncio.to_thread(threading.Event().wait, 1000)"), "def f", "async def f", 1),
		"a generator between yields": "import time\nfrom multinode.errors import InvocationTimedOutError\n@mn.function()\ndef f():\n" +
			" try:\n  yield 1\n  print('running')\n  time.sleep(1000)\n except InvocationTimedOutError as e:\n  yield 'last but one'\n  yield type(e).__name__\n",
		"a generator that never stops yielding": "from multinode.errors import InvocationTimedOutError\n@mn.function()\ndef f():\n" +
			" try:\n  print('running')\n  while True: yield 1\n except InvocationTimedOutError as e:\n  yield type(e).__name__\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t, main)
			clock, span := e.startOnFakeClock()
			clock.Advance(day - span - time.Second) // to a second before the earliest moment
			e.link.await(t, "a beat before the timeout", func(l *memoryLink) bool {
				last := l.beats[len(l.beats)-1]
				if last.Interrupted != "" {
					t.Errorf("it was interrupted too early: %+v", last)
				}
				return last.Elapsed >= day-2*span-time.Second
			})
			clock.Advance(span + time.Second)
			e.link.awaitLine(t, "the timeout of 24h0m0s is reached: InvocationTimedOutError is raised, and the function is killed if it goes on for another 2m0s")
			e.expect(multinode.OutcomeTimedOut, `"InvocationTimedOutError"`, "the function ran for longer than its timeout of 24h0m0s")
		})
	}
}

// What is yielded and returned within the grace is stored; afterwards the
// process is killed, with those that it has started.
func TestTheGraceAfterATimeout(t *testing.T) {
	path := fifo(t)
	e := prepare(t, decorator+"def f(path):\n try:\n  print('running')\n  time.sleep(1000)\n"+
		" except InvocationTimedOutError:\n  yield 'cleaning'\n  open(path).close()\n  yield 'clean'", path)
	clock, _ := e.startOnFakeClock()
	clock.Advance(day)
	e.link.await(t, "a yield within the grace", func(l *memoryLink) bool { return len(l.yields) > 0 })
	clock.Advance(multinode.Grace - time.Second)
	release(t, path)
	e.expect(multinode.OutcomeTimedOut, `"clean"`, "the function ran for longer than its timeout of 24h0m0s")
}

func TestCodeStuckInCIsKilledAfterTheGrace(t *testing.T) {
	for name, stuck := range map[string]string{
		"a regular expression": "re.match(r'(a+)+$', 'a' * 64 + 'b')",
		"a call into C":        "import ctypes; [ctypes.PyDLL(None).pause() for _ in iter(int, 1)]",
		"a number":             "10 ** 10 ** 10",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Where it is interrupted before it is in C, it goes there all the same.
			e := prepare(t, "import re, subprocess\n@mn.function()\ndef f():\n child = subprocess.Popen(['sleep', '1000'])\n"+
				" print('child', child.pid)\n try:\n  print('running')\n  "+stuck+"\n except BaseException:\n  "+stuck+"\n return 1")
			clock, _ := e.startOnFakeClock()
			clock.Advance(day)
			e.awaitBeat(clock, "the interrupt", func(b multinode.Beat) bool { return b.Interrupted == multinode.TimeOut })
			clock.Advance(multinode.Grace)
			e.expect(multinode.OutcomeTimedOut, "", "the function did not end within 2m0s of being interrupted, and was killed")
			child, _, _ := strings.Cut(strings.TrimPrefix(e.link.text(), "stdout: child "), "\n")
			awaitGone(t, child)
		})
	}
}

// Each way of crashing leaves a reason.
func TestCrashes(t *testing.T) {
	for name, c := range map[string]struct{ statement, err string }{
		"os._exit":                      {"os._exit(3)", "the process ended with exit code 3 before the function returned (os._exit or a crash)"},
		"a crash in C":                  {"import ctypes; ctypes.string_at(0)", "the process was killed by SIGSEGV before the function returned"},
		"abort":                         {"os.abort()", "the process was killed by SIGABRT before the function returned"},
		"a kill, as for want of memory": {"os.kill(os.getpid(), signal.SIGKILL)", "the process was killed by SIGKILL (perhaps out of memory) before the function returned"},
		"MemoryError":                   {"bytearray(1 << 62)", "MemoryError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t, decorator+"def f():\n yield 'last'\n print('running')\n "+c.statement)
			o := e.start().outcome()
			if o.Kind != multinode.OutcomeFailed || o.Error != c.err {
				t.Errorf("the outcome is %+v", o)
			}
		})
	}
}

// A minute without a connection ends the function, and not less.
func TestTheLeaseByTheClock(t *testing.T) {
	e := prepare(t, sleeps)
	clock, span := e.startOnFakeClock()
	e.link.set(func(l *memoryLink) { l.offline = true })
	e.awaitBeat(clock, "the end of the lease", func(b multinode.Beat) bool { return b.Phase == multinode.PhaseFinishing })
	if ran := e.link.beats[len(e.link.beats)-1].Elapsed; ran+span < multinode.WorkerLease {
		t.Errorf("the function was killed after %v", ran)
	}
	e.link.set(func(l *memoryLink) { l.offline = false })
	e.expect(multinode.OutcomeFailed, "", "the worker had no connection for 1m0s and therefore stopped the function")
}
