package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"multinode/cmd/multinode/internal/config"
	"multinode/internal/testlog"
)

// server is a `multinode up` that runs within the test.
type server struct {
	*shell
	URL string `json:"url"`
	Key string `json:"api_key"`

	ended chan int
}

// startServer runs `multinode up` on a data folder until the test ends.
func startServer(t *testing.T, dir string) *server {
	t.Helper()
	s := &server{shell: newShell(t, nil), ended: make(chan int, 1)}
	read, write := io.Pipe()
	s.stderr = testlog.New(t)
	go func() {
		// Not the test's context: that ends before what cleans up.
		s.ended <- run(context.Background(), []string{"up", "--data-dir", dir, "--listen", "127.0.0.1:0", "--json"}, console{
			in: strings.NewReader(""), out: write, err: s.stderr, getenv: func(string) string { return "" },
			home: s.home, interrupts: s.interrupts, environments: environments, poll: time.Millisecond,
		})
		_ = write.Close()
	}()
	t.Cleanup(func() { s.stop() })
	if err := json.NewDecoder(read).Decode(s); err != nil {
		t.Fatalf("multinode up ended with code %d: %v", <-s.ended, err)
	}
	return s
}

// stop interrupts the server and returns its exit code. It may be called twice.
func (s *server) stop() int {
	select {
	case s.interrupts <- os.Interrupt:
	default:
	}
	code := <-s.ended
	s.ended <- code
	return code
}

// login returns a shell that is logged in to the server.
func (s *server) login() *shell {
	s.t.Helper()
	user := newShell(s.t, nil)
	user.poll = 50 * time.Millisecond
	user.mustRun("login", "--url="+s.URL, "--key="+s.Key)
	return user
}

// mustRun runs the program and returns its stdout and stderr.
func (s *shell) mustRun(args ...string) (stdout, stderr string) {
	s.t.Helper()
	code, stdout, stderr := s.run(args...)
	if code != exitOK {
		s.t.Fatalf("multinode %s: exit code %d\n%s\n%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout, stderr
}

// mustFail runs the program and returns its stderr.
func (s *shell) mustFail(code int, args ...string) string {
	s.t.Helper()
	got, stdout, stderr := s.run(args...)
	if got != code {
		s.t.Fatalf("multinode %s: exit code %d, want %d\n%s\n%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stderr
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in:\n%s", w, text)
		}
	}
}

const tasks = `
import os, sys, time
from datetime import timedelta
from multinode import Multinode
from lib.adding import add_all

mn = Multinode()

@mn.function(cpu=0.5, memory="1 GiB", max_concurrency=3, timeout=timedelta(minutes=5))
def add(*numbers, x=0):
    print("adding", numbers, flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    return {"sum": add_all(numbers) + x, "secret": os.environ["SECRET"], "version": 1}

@mn.function(max_retries=1)
def fails(text):
    raise ValueError(text)

@mn.function()
def steps(n):
    for i in range(n):
        yield i

@mn.function()
def parent():
    results = list(steps.map([2, 3]))
    children = parent.children(os.environ["MULTINODE_INVOCATION_ID"])
    return [results, sum(children.counts.values()), [child.function_name for child in children.newest]]

@mn.function()
def forever():
    print("waiting", flush=True)
    while True:
        time.sleep(0.05)

@mn.function(timeout=timedelta(seconds=1))
def too_slow():
    while True:
        time.sleep(0.05)
`

func tasksProject(t *testing.T) string {
	dir := project(t, map[string]string{"main.py": tasks, ".env": "SECRET=hidden\n"})
	if err := os.Mkdir(filepath.Join(dir, "lib"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := []byte("def add_all(numbers):\n    return sum(numbers)\n")
	if err := os.WriteFile(filepath.Join(dir, "lib", "adding.py"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

var invocationID = regexp.MustCompile(`inv-[0-9a-f]{32}`)

func TestTheJourney(t *testing.T) {
	data := t.TempDir()
	s := startServer(t, data)
	user := s.login()
	dir := tasksProject(t)
	const name = "--project-name=my project"

	out, stderr := user.mustRun("deploy", dir, name)
	contains(t, out, "my project  ver-", "add       0.5  1 GiB    3            0        5m", "fails     0.1  256 MiB  10           1        1h")
	contains(t, stderr, "1 environment variable", "Prepared version ver-")
	contains(t, user.mustFail(exitFailure, "deploy", dir, name), "already exists. Run `multinode upgrade ")

	out, _ = user.mustRun("list")
	contains(t, out, "PROJECT", "my project")

	out, stderr = user.mustRun("invoke", name, "--function-name=add", "--args", "[1, 2]", "--kwargs", `{"x": 3}`)
	if strings.TrimSpace(out) != `{"sum": 6, "secret": "hidden", "version": 1}` {
		t.Errorf("the result is %s", out)
	}
	contains(t, stderr, "│ adding (1, 2)", "│ to stderr", "SUCCEEDED")
	if strings.Contains(stderr, "hidden") {
		t.Error("a value of .env is in the progress")
	}
	of := []string{name, "--function-name=add", "--invocation-id=" + invocationID.FindString(stderr)}

	out, _ = user.mustRun(append([]string{"logs"}, of...)...)
	contains(t, out, "adding (1, 2)\n", "to stderr\n")
	followed, _ := user.mustRun(append([]string{"logs", "-f"}, of...)...)
	if followed != out {
		t.Errorf("logs -f prints\n%s\nand logs\n%s", followed, out)
	}
	out, _ = user.mustRun(append([]string{"describe"}, of...)...)
	contains(t, out, "SUCCEEDED", "output    {\"sum\": 6", "Execution 1", "outcome   SUCCEEDED")
	contains(t, user.mustFail(exitFailure, append([]string{"cancel"}, of...)...), "has already finished")

	stderr = user.mustFail(exitFailure, "invoke", name, "--function-name=fails", "--args", `["no good"]`)
	contains(t, stderr, "│ ValueError: no good", "failed: ValueError: no good. Run `multinode describe ")
	out, _ = user.mustRun("describe", name, "--function-name=fails", "--invocation-id="+invocationID.FindString(stderr))
	contains(t, out, "FAILED, 2 failed attempts", "Execution 2")

	out, stderr = user.mustRun("invoke", name, "--function-name=steps", "--args", "[5]")
	contains(t, stderr, "→ ")
	if out != "4\n" {
		t.Errorf("the last yield is %q", out)
	}
	contains(t, user.mustFail(exitTimedOut, "invoke", name, "--function-name=too_slow"), "timed out")

	out, stderr = user.mustRun("invoke", name, "--function-name=parent")
	if strings.TrimSpace(out) != `[[1, 2], 2, ["steps", "steps"]]` {
		t.Errorf("the parent returned %s", out)
	}
	out, _ = user.mustRun("describe", name, "--function-name=parent", "--invocation-id="+invocationID.FindString(stderr))
	contains(t, out, "children  2 (2 SUCCEEDED)", "\nChildren\n", "steps     SUCCEEDED")

	out, _ = user.mustRun("describe", name)
	contains(t, out, "Versions", "latest", "INVOCATIONS")

	// An upgrade serves new invocations; one that fails changes nothing.
	upgraded := strings.Replace(tasks, `"version": 1`, `"version": 2`, 1)
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(upgraded)
	user.mustRun("upgrade", dir, name)
	version := func() {
		out, _ := user.mustRun("invoke", name, "--function-name=add")
		contains(t, out, `"version": 2`)
	}
	version()
	write(upgraded + "\nthis is no Python\n")
	contains(t, user.mustFail(exitFailure, "upgrade", dir, name), "SyntaxError", "What was deployed before still serves")
	version()

	running := startForever(t, user, name)
	user.mustRun("cancel", name, "--function-name=forever", "--invocation-id="+running)
	user.mustRun("logs", "-f", name, "--function-name=forever", "--invocation-id="+running)
	out, _ = user.mustRun("describe", name, "--function-name=forever", "--invocation-id="+running)
	contains(t, out, "CANCELLED")

	// A restart finds everything as it was.
	if code := s.stop(); code != exitOK {
		t.Errorf("multinode up ended with code %d", code)
	}
	contains(t, user.mustFail(exitFailure, "list"), "no server answers at "+s.URL, "multinode up")
	again := startServer(t, data)
	if again.URL != s.URL || again.Key != s.Key {
		t.Errorf("after a restart the server is at %s with key %s; it was at %s with %s", again.URL, again.Key, s.URL, s.Key)
	}
	contains(t, again.mustFail(exitFailure, "up", "--data-dir", data, "--listen", "127.0.0.1:0"), "in use", "--data-dir")
	version()

	startForever(t, user, name) // undeploy has something to cancel
	_, stderr = user.mustRun("undeploy", name)
	contains(t, stderr, "is gone")
	_, stderr = user.mustRun("list")
	contains(t, stderr, "Nothing is deployed")
	user.mustRun("logout")
	user.mustFail(exitFailure, "list")
}

// startForever starts the function and waits until it runs.
func startForever(t *testing.T, user *shell, name string) (id string) {
	t.Helper()
	return startWaiting(t, user, name, "forever")
}

// startWaiting starts a function that prints "waiting", and waits for that.
func startWaiting(t *testing.T, user *shell, name, function string) (id string) {
	t.Helper()
	out, _ := user.mustRun("invoke", "--detach", name, "--function-name="+function)
	id = strings.TrimSpace(out)
	follower := newShell(t, nil)
	follower.home = user.home
	seen := writerFunc(func(text []byte) {
		if strings.Contains(string(text), "waiting") {
			follower.interrupts <- os.Interrupt
		}
	})
	code := run(t.Context(), []string{"logs", "-f", name, "--function-name=" + function, "--invocation-id=" + id}, console{
		in: strings.NewReader(""), out: seen, err: testlog.New(t), getenv: func(string) string { return "" },
		home: user.home, interrupts: follower.interrupts, poll: time.Millisecond,
	})
	if code != exitInterrupted {
		t.Fatalf("following the log of %s ended with code %d", id, code)
	}
	return id
}

func TestProjectsThatCannotBeDeployed(t *testing.T) {
	user := startServer(t, t.TempDir()).login()
	const object = "from multinode import Multinode\nmn = Multinode()\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"no main.py", map[string]string{"other.py": ""}, []string{"main.py"}},
		{"a syntax error", map[string]string{"main.py": object + "def f(:\n"}, []string{"SyntaxError", "line 3"}},
		{"an error at import", map[string]string{"main.py": object + "1 / 0\n"}, []string{"ZeroDivisionError"}},
		{"no Multinode object", map[string]string{"main.py": "x = 1\n"}, []string{"Multinode"}},
		{"two Multinode objects", map[string]string{"main.py": object + "other = Multinode()\n"}, []string{"Multinode"}},
		{"an unknown package", map[string]string{"main.py": object, "requirements.txt": "multinode-has-no-such-package==9.9\n"}, []string{"multinode-has-no-such-package"}},
		{"a malformed .env", map[string]string{"main.py": object, ".env": "A=1\nnothing\n"}, []string{"line 2"}},
		{"a parameter out of bounds", map[string]string{"main.py": object + "@mn.function(cpu=17)\ndef f(): ...\n"}, []string{"ParameterValidationError"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := *user
			s.t = t
			contains(t, s.mustFail(exitFailure, "deploy", project(t, c.files), "--project-name=bad"), append(c.want, "Error: ")...)
		})
	}
	contains(t, user.mustFail(exitFailure, "invoke", "--project-name=bad", "--function-name=f"), "bad")
	contains(t, user.mustFail(exitUsage, "deploy", project(t, map[string]string{"main.py": object}), "--project-name="+strings.Repeat("x", 65)), "too long")
}

func TestUpRefusesWhatIsNotSafe(t *testing.T) {
	s := newShell(t, nil)
	contains(t, s.mustFail(exitUsage, "up", "--listen", "0.0.0.0:0"), config.KeyVariable)
	contains(t, s.mustFail(exitUsage, "up", "--listen", "8470"), "HOST:PORT")
	contains(t, s.mustFail(exitUsage, "up", "--nats-listen", "127.0.0.1:70000"), "port from 0 to 65535")
	s.home = ""
	contains(t, s.mustFail(exitUsage, "up"), "--data-dir")
}

func TestDemo(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := newShell(t, nil)
	s.stderr = testlog.New(t)
	out, stderr := s.mustRun("demo")
	if want := "\"Hello, world!\"\n{\"done\": \"100%\", \"primes\": 2262}\n\"succeeded at the second attempt\"\n\"simultaneously\"\n"; out != want {
		t.Errorf("results:\n%s\nwant:\n%s", out, want)
	}
	contains(t, stderr, "│ looked at the numbers up to 4000", "→ {\"done\": \"20%\"", "after 1 failed attempt", "after 4 subtasks", "multinode up", "multinode deploy DIR")
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
}
