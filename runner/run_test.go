package runner

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode"
	"multinode/internal/pythontest"
)

// execution is a Run of the function f of a main.py.
type execution struct {
	t       *testing.T
	link    *memoryLink
	options Options
	stop    context.CancelFunc
	result  chan error
}

// prepare writes main.py below a preamble that makes the Multinode object.
func prepare(t *testing.T, main string, args ...any) *execution {
	t.Helper()
	project, worker := t.TempDir(), t.TempDir()
	source := "from multinode import Multinode\nmn = Multinode()\n" + main
	if err := os.WriteFile(filepath.Join(project, "main.py"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	if args == nil {
		args = []any{}
	}
	input, err := json.Marshal([]any{args, map[string]any{}})
	if err != nil {
		t.Fatal(err)
	}
	key := multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-1"}
	link := newMemoryLink(multinode.Assignment{Key: key.Execution("exe-1"), Timeout: time.Hour, Input: input})
	return &execution{
		t: t, link: link, result: make(chan error, 1),
		options: Options{
			Dial:       func(context.Context) (Link, error) { return link, nil },
			Python:     pythontest.Interpreter(t),
			ProjectDir: project, WorkerDir: worker,
			Environment: pythontest.Environment(t),
			Limits:      DefaultLimits(),
			Logger:      slog.New(slog.NewTextHandler(t.Output(), nil)),
		},
	}
}

func (e *execution) start() *execution {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	ended := make(chan struct{})
	e.t.Cleanup(func() {
		stop()
		<-ended // it logs to the test
	})
	go func() {
		defer close(ended)
		e.result <- Run(ctx, e.options)
	}()
	return e
}

// wait returns what Run returned.
func (e *execution) wait() error {
	e.t.Helper()
	select {
	case err := <-e.result:
		if !e.link.closed {
			e.t.Error("the link was not closed")
		}
		return err
	case <-time.After(time.Minute):
		e.t.Fatalf("the runner did not end; lines:\n%s", e.link.text())
		return nil
	}
}

// outcome waits for the end and returns what was stored.
func (e *execution) outcome() multinode.Outcome {
	e.t.Helper()
	if err := e.wait(); err != nil {
		e.t.Fatalf("Run: %v", err)
	}
	if e.link.outcome == nil {
		e.t.Fatal("no outcome was stored")
	}
	return *e.link.outcome
}

func (e *execution) expect(kind multinode.OutcomeKind, output, errorText string) {
	e.t.Helper()
	o := e.outcome()
	if o.Kind != kind || string(o.Output) != output || o.Error != errorText {
		e.t.Errorf("the outcome is %s, output %q, error %q;\nwant %s, output %q, error %q\nlines:\n%s",
			o.Kind, o.Output, o.Error, kind, output, errorText, e.link.text())
	}
}

func (e *execution) expectLines(lines ...string) {
	e.t.Helper()
	text := e.link.text()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			e.t.Errorf("the line %q is missing in:\n%s", line, text)
		}
	}
}

func TestResultsAndErrors(t *testing.T) {
	const decorated = "@mn.function()\n"
	for name, test := range map[string]struct {
		main   string
		args   []any
		kind   multinode.OutcomeKind
		output string
		err    string
		lines  []string
	}{
		"a result": {
			main: decorated + "def f(x, y): print('adding'); return x + y",
			args: []any{1, 2}, kind: multinode.OutcomeSucceeded, output: "3", lines: []string{"stdout: adding"},
		},
		"a coroutine": {
			main: "import asyncio\n" + decorated + "async def f():\n await asyncio.sleep(0)\n return [1]",
			kind: multinode.OutcomeSucceeded, output: "[1]",
		},
		"an exception": {
			main: decorated + "def f():\n raise ValueError('no good')",
			kind: multinode.OutcomeFailed, err: "ValueError: no good",
			lines: []string{"stderr: Traceback (most recent call last):", "stderr:     raise ValueError('no good')", "stderr: ValueError: no good"},
		},
		"sys.exit": {
			main: "import sys\n" + decorated + "def f(): sys.exit(3)",
			kind: multinode.OutcomeFailed, err: "SystemExit: 3 (the function ended the process instead of returning)",
		},
		"os._exit": {
			main: "import os\n" + decorated + "def f():\n print('no line feed', end='')\n os._exit(3)",
			kind: multinode.OutcomeFailed, err: "the process ended with exit code 3 before the function returned (os._exit or a crash)",
			lines: []string{"stdout: no line feed"},
		},
		"a segmentation fault": {
			main: "import ctypes\n" + decorated + "def f(): ctypes.string_at(0)",
			kind: multinode.OutcomeFailed, err: "the process was killed by SIGSEGV before the function returned",
			lines: []string{"stderr: Fatal Python error: Segmentation fault"},
		},
		"a kill from outside": {
			main: "import os\n" + decorated + "def f(): os.kill(os.getpid(), 9)",
			kind: multinode.OutcomeFailed, err: "the process was killed by SIGKILL (perhaps out of memory) before the function returned",
		},
		"a crash while importing": {
			main: "import os\nos._exit(0)", kind: multinode.OutcomeFailed,
			err: "the process ended with exit code 0 before the function began (os._exit or a crash)",
		},
		"a syntax error": {
			main: "def f(:", kind: multinode.OutcomeFailed, err: "SyntaxError: invalid syntax (main.py, line 3)",
			lines: []string{"stderr:     def f(:"},
		},
		"an unknown function": {
			main: "", kind: multinode.OutcomeFailed, err: "main.py has no function named 'f'",
		},
		"binary output": {
			main: "import os\n" + decorated + `def f(): return os.write(1, b'a\xff\x00b\r\n\nlast')`,
			kind: multinode.OutcomeSucceeded, output: "11", lines: []string{"stdout: a\uFFFD\x00b", "stdout: ", "stdout: last"},
		},
		"closed streams": {
			main: "import os, sys\n" + decorated + "def f():\n print('x', end='')\n sys.stdout.close(); sys.stderr.close(); sys.stdout = None\n os.close(1)\n return 1",
			kind: multinode.OutcomeSucceeded, output: "1", lines: []string{"stdout: x"},
		},
		"a signal that nobody of ours has sent": {
			main: "import os, signal, time\n" + decorated + "def f():\n os.kill(os.getpid(), signal.SIGTERM)\n time.sleep(60)",
			kind: multinode.OutcomeFailed, err: "InvocationCancelledError: the invocation was cancelled",
		},
		"rubbish among the events": {
			main: "import os, time\n" + decorated + "def f():\n os.write(4, b'hello world')\n time.sleep(60)",
			kind: multinode.OutcomeFailed, err: errFrame.Error() + " (kind 'h')",
		},
		"an event that is too large": {
			main: "import os, time\n" + decorated + `def f():` + "\n" + ` os.write(4, b'O\xff\xff\xff\xff')` + "\n time.sleep(60)",
			kind: multinode.OutcomeFailed, err: errFrame.Error() + " (4294967295 bytes)",
		},
		"threads that are left behind": {
			main: "import threading, atexit\natexit.register(print, 'at exit')\n" + decorated +
				"def f():\n threading.Thread(target=threading.Event().wait).start()\n return 1",
			kind: multinode.OutcomeSucceeded, output: "1", lines: []string{"stdout: at exit"},
		},
		"a fork that comes back": {
			main: "import os\n" + decorated + "def f():\n pid = os.fork()\n if pid == 0: return 'child'\n os.waitpid(pid, 0)\n return 'parent'",
			kind: multinode.OutcomeSucceeded, output: `"parent"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t, test.main, test.args...).start()
			e.expect(test.kind, test.output, test.err)
			e.expectLines(test.lines...)
		})
	}
}

func TestOutputThatCannotBeStored(t *testing.T) {
	for name, test := range map[string]struct{ main, want string }{
		"not serialisable": {"@mn.function()\ndef f(): return open('/dev/null')", "SerializationError: The result cannot be serialised"},
		"too large":        {"@mn.function()\ndef f(): return 'x' * 250_000", "FunctionOutputSizeLimitExceeded: The result takes 250,002 characters"},
		"a yield":          {"@mn.function()\ndef f(): yield 'x' * 250_000", "FunctionOutputSizeLimitExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := prepare(t, test.main).start().outcome()
			if o.Kind != multinode.OutcomeFailed || !strings.Contains(o.Error, test.want) {
				t.Errorf("the outcome is %s %q, want FAILED %q", o.Kind, o.Error, test.want)
			}
		})
	}
}

func TestLargestOutputArrives(t *testing.T) {
	e := prepare(t, "@mn.function()\ndef f(): return 'x' * 249_998").start()
	if o := e.outcome(); o.Kind != multinode.OutcomeSucceeded || len(o.Output) != multinode.MaxOutput {
		t.Errorf("the outcome is %s with %d bytes: %s", o.Kind, len(o.Output), o.Error)
	}
}

func TestYieldsKeepTheLast(t *testing.T) {
	for name, definition := range map[string]string{"sync": "def f(n):", "async": "async def f(n):"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := prepare(t, "@mn.function()\n"+definition+"\n for i in range(n): yield {'step': i}", 500).start()
			e.expect(multinode.OutcomeSucceeded, `{"step": 499}`, "")
			if y := e.link.yields; len(y) == 0 || y[len(y)-1] != `{"step": 499}` {
				t.Errorf("the last stored yield is not the last one: %v", y)
			}
		})
	}
}

func TestOutputIsLive(t *testing.T) {
	signal := filepath.Join(t.TempDir(), "signal")
	if err := syscall.Mkfifo(signal, 0o600); err != nil {
		t.Fatal(err)
	}
	e := prepare(t, "@mn.function()\ndef f(path):\n print('before')\n yield 1\n open(path).close()\n print('after', end='')\n yield 2", signal).start()
	e.link.awaitLine(t, "before")
	e.link.await(t, "the first yield", func(l *memoryLink) bool { return len(l.yields) == 1 })
	e.link.await(t, "a beat while it runs", func(l *memoryLink) bool {
		l.desires <- multinode.Run
		return len(l.beats) > 0
	})
	release(t, signal)
	e.expect(multinode.OutcomeSucceeded, "2", "")
	e.expectLines("stdout: before", "stdout: after")
}

// release lets go a function that opens this named pipe for reading.
func release(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestEnvironmentAndModules(t *testing.T) {
	e := prepare(t, `
import os
from sub.module import value
assert __name__ == "main"
if __name__ == "__main__":
    raise SystemExit
@mn.function()
def f():
    return [value, os.environ["COLOUR"], os.environ["MULTINODE_API_KEY"], os.path.basename(os.getcwd())]`)
	e.options.Environment = append(e.options.Environment, "MULTINODE_API_KEY=of the worker")
	e.link.assignment.Environment = map[string]string{"COLOUR": "grün", "MULTINODE_API_KEY": "of the deployer"}
	for name, text := range map[string]string{
		"sub/module.py": "value = 7",
		// Neither is in the way of the harness, which needs those of the standard library.
		"json.py": "raise RuntimeError", "multinode.py": "raise RuntimeError",
	} {
		path := filepath.Join(e.options.ProjectDir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	e.start().expect(multinode.OutcomeSucceeded,
		`[7, "gr\u00fcn", "of the worker", "`+filepath.Base(e.options.ProjectDir)+`"]`, "")
	group, err := os.ReadFile(filepath.Join(e.options.WorkerDir, "group"))
	if err != nil {
		t.Fatal(err)
	}
	pgid, err := strconv.Atoi(strings.TrimSpace(string(group)))
	if err != nil || pgid <= 1 {
		t.Fatalf("the file group says %q", group)
	}
	if err := syscall.Kill(-pgid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the process group %d still exists: %v", pgid, err)
	}
}

func TestPythonIsMissing(t *testing.T) {
	e := prepare(t, "")
	e.options.Python = "/nowhere/python"
	e.start().expect(multinode.OutcomeFailed, "", "start Python (/nowhere/python): fork/exec /nowhere/python: no such file or directory")
}

func TestHarnessIsMissing(t *testing.T) {
	e := prepare(t, "")
	e.options.Environment = []string{"PATH=" + os.Getenv("PATH")}
	e.start().expect(multinode.OutcomeFailed, "", "the process ended with exit code 1 before the function began (os._exit or a crash)")
	e.expectLines("stderr: ModuleNotFoundError: No module named 'multinode'")
}

func TestAnotherOutcomeWasFirst(t *testing.T) {
	e := prepare(t, "@mn.function()\ndef f(): return 1")
	e.link.taken = true
	if err := e.start().wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestUnwantedWorkerEnds(t *testing.T) {
	e := prepare(t, "")
	e.link.refuse = errors.New("leave")
	if err := e.start().wait(); !errors.Is(err, e.link.refuse) {
		t.Errorf("Run: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	err := Run(t.Context(), Options{ProjectDir: "/nowhere"})
	for _, want := range []string{"Dial", "Python", "Logger", "Limits", "/nowhere"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %s: %v", want, err)
		}
	}
}
