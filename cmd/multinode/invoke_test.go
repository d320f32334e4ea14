package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"multinode/wire"
)

const (
	invocations = "/projects/p/versions/latest/functions/add/invocations"
	invoked     = "/projects/p/versions/ver-1/functions/add/invocations/inv-1"
)

var invokeAdd = []string{"invoke", "--project-name=p", "--function-name=add"}

func TestInvokeShowsWhatHappens(t *testing.T) {
	f := newFake(t)
	f.answers("POST "+invocations, someInvocation(wire.StatusPending))
	running, end := someInvocation(wire.StatusRunning), someInvocation(wire.StatusSucceeded)
	running.Revision = 2
	end.Revision, end.Output = 3, ptr(`{"sum": 3}`)
	f.events("GET "+invoked+"/events",
		wire.EventStatus, someInvocation(wire.StatusPending),
		wire.EventStatus, running,
		wire.EventLog, wire.LogEvent{ExecutionID: "exe-1", Lines: []wire.LogLine{{Text: "adding\x07"}, {Text: "\x1b[32mgreen\x1b[0m"}}},
		wire.EventYield, wire.YieldEvent{ExecutionID: "exe-1", Output: "[1,\n 2]"},
		wire.EventStatus, end,
		wire.EventEnd, end,
	)
	s := newShell(t, f)
	s.expect(exitOK, "{\"sum\": 3}\n", `add inv-1
  PENDING
  RUNNING
│ adding
│ `+"\x1b[32mgreen\x1b[0m"+`
→ [1,  2]
  SUCCEEDED
`, append(invokeAdd, "--args", " [1, 2] ", "--kwargs", `{"x": 1e400, "s": "ü"}`)...)
	if got, want := f.asked()[0], `POST `+invocations+` {"parent_invocation":null,"input":"[[1,2], {\"x\":1e400,\"s\":\"ü\"}]"}`; got != want {
		t.Errorf("asked for %s\nwant %s", got, want)
	}
	if code, out, _ := s.run(append(invokeAdd, "--json")...); code != exitOK || !strings.Contains(out, `"output": "{\"sum\": 3}"`) {
		t.Errorf("--json: %d\n%s", code, out)
	}
}

func TestInvokeDetached(t *testing.T) {
	f := newFake(t)
	f.answers("POST "+invocations, someInvocation(wire.StatusPending))
	s := newShell(t, f)
	s.expect(exitOK, "inv-1\n", "", append(invokeAdd, "--detach")...)
	if code, out, _ := s.run(append(invokeAdd, "-d", "--json")...); code != exitOK || !strings.Contains(out, `"invocation_id": "inv-1"`) {
		t.Errorf("--json: %d\n%s", code, out)
	}
}

func TestInvokeExitsWithTheOutcome(t *testing.T) {
	const look = ". Run `multinode describe --project-name=p --version-id=ver-1 --function-name=add --invocation-id=inv-1` for its executions\n"
	for _, c := range []struct {
		status wire.Status
		code   int
		stdout string
		end    string
	}{
		{wire.StatusFailed, exitFailure, "", "inv-1 failed: ValueError: no good"},
		{wire.StatusCancelled, exitCancelled, "", "inv-1 was cancelled: ValueError: no good"},
		{wire.StatusTimedOut, exitTimedOut, "", "inv-1 timed out: ValueError: no good"},
	} {
		f := newFake(t)
		f.answers("POST "+invocations, someInvocation(wire.StatusPending))
		end := someInvocation(c.status)
		end.Output, end.ErrorMessage = ptr("7"), ptr("ValueError:\nno good.")
		f.events("GET "+invoked+"/events", wire.EventEnd, end)
		newShell(t, f).expect(c.code, c.stdout, "add inv-1\nError: "+c.end+look, invokeAdd...)
	}
}

func TestInvokeReadsItsArguments(t *testing.T) {
	f := newFake(t)
	f.answers("POST "+invocations, someInvocation(wire.StatusPending))
	s := newShell(t, f)
	s.in = "{\"x\":\n 3}\n"
	dir := project(t, map[string]string{"args.json": "[1,\n2]\n"})
	file := "@" + filepath.Join(dir, "args.json")
	s.expect(exitOK, "inv-1\n", "", append(invokeAdd, "-d", "--args", file, "--kwargs", "-")...)
	if got, want := f.asked()[0], `POST `+invocations+` {"parent_invocation":null,"input":"[[1,2], {\"x\":3}]"}`; got != want {
		t.Errorf("asked for %s\nwant %s", got, want)
	}
	s.expect(exitUsage, "", "Error: only one of --args and --kwargs can be - (stdin). Give the other one as JSON or @FILE\n",
		append(invokeAdd, "--args=-", "--kwargs=-")...)
	s.expect(exitUsage, "", "Error: --kwargs could not be read: open "+file[1:]+"x: no such file or directory\n",
		append(invokeAdd, "--kwargs", file+"x")...)
	s.expect(exitUsage, "", "Error: --args could not be read: read "+dir+": is a directory\n", append(invokeAdd, "--args", "@"+dir)...)
	s.interrupts <- os.Interrupt
	s.stdin, _ = io.Pipe()
	s.expect(exitInterrupted, "", "Interrupted.\n", append(invokeAdd, "--args=-")...)
}

func TestInvokeRefused(t *testing.T) {
	for _, c := range []struct {
		answer *wire.Error
		want   string
	}{
		{wire.ProjectDoesNotExist, "project \"p\" does not exist. Run `multinode list` to see those that do"},
		{wire.ProjectIsBeingDeleted, "project \"p\" is being undeployed. Try again once `multinode list` no longer shows it"},
		{wire.VersionDoesNotExist, "project \"p\" has no version that is ready. Run `multinode describe --project-name=p` to see why"},
		{wire.FunctionDoesNotExist, "function \"add\" does not exist in this version of project \"p\". Run `multinode describe --project-name=p` to see those that do"},
		{&wire.Error{Status: 404, Detail: "Not Found"}, "start invocation: Not Found (HTTP 404). The address may not be that of a Multinode server: run `multinode login` to give another one"},
		{&wire.Error{Status: 413, Detail: "too large"}, "start invocation: the server takes no body of this size: too large"},
		{&wire.Error{Status: 422, Detail: "odd"}, "start invocation: odd (HTTP 422)"},
	} {
		f := newFake(t)
		f.answers("POST "+invocations, c.answer)
		newShell(t, f).expect(exitFailure, "", "Error: "+c.want+"\n", invokeAdd...)
	}
	f := newFake(t)
	f.on("POST "+invocations, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		reply(w, 503, wire.ErrorBody{Detail: "The disk is full"})
	})
	newShell(t, f).expect(exitFailure, "", "Error: start invocation: The disk is full. Try again later\n", invokeAdd...)
}

func TestInvokeInterruptedOnceIsCancelled(t *testing.T) {
	f := newFake(t)
	f.answers("POST "+invocations, someInvocation(wire.StatusPending))
	s := newShell(t, f)
	cancelled := make(chan struct{})
	f.on("PUT "+invoked+"/cancel", func(w http.ResponseWriter, _ *http.Request) {
		close(cancelled)
		reply(w, 200, someInvocation(wire.StatusCancelling))
	})
	f.on("GET "+invoked+"/events", func(w http.ResponseWriter, _ *http.Request) {
		s.interrupts <- os.Interrupt
		<-cancelled
		sendEvent(w, wire.EventEnd, someInvocation(wire.StatusCancelled))
	})
	s.expect(exitCancelled, "", `add inv-1
Asking it to end. Ctrl-C again leaves it to itself.
Error: inv-1 was cancelled. Run `+"`multinode describe --project-name=p --version-id=ver-1 --function-name=add --invocation-id=inv-1`"+` for its executions
`, invokeAdd...)
}

func TestInvokeInterruptedTwiceIsLeft(t *testing.T) {
	f := newFake(t)
	f.answers("POST "+invocations, someInvocation(wire.StatusPending))
	s := newShell(t, f)
	f.on("PUT "+invoked+"/cancel", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, 422, wire.ErrorBody{Detail: "not now"})
	})
	f.on("GET "+invoked+"/events", func(_ http.ResponseWriter, r *http.Request) {
		s.interrupts <- os.Interrupt
		<-r.Context().Done()
	})
	// The second interrupt comes when the failure of the cancel has been told.
	s.stderr = writerFunc(func(text []byte) {
		if bytes.HasPrefix(text, []byte("It could not")) {
			s.interrupts <- os.Interrupt
		}
	})
	s.expect(exitInterrupted, "", `add inv-1
Asking it to end. Ctrl-C again leaves it to itself.
It could not be asked to end: cancel invocation: not now (HTTP 422)
Error: left inv-1 to itself. Run `+"`multinode describe --project-name=p --version-id=ver-1 --function-name=add --invocation-id=inv-1`"+` to see how it ends
`, invokeAdd...)
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
