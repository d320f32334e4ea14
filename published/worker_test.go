package published

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

// invoke accepts a request and returns its key.
func (s *system) invoke(function string, args ...any) multinode.InvocationKey {
	s.t.Helper()
	if args == nil {
		args = []any{}
	}
	input, err := json.Marshal([]any{args, map[string]any{}})
	s.must(err)
	k := multinode.InvocationKey{
		Project: "p", Generation: s.project.Generation, Function: function, ID: multinode.NewID(multinode.InvocationPrefix),
	}
	_, err = s.store.Accept(s.t.Context(), streams.Request{Key: k, Input: input})
	s.must(err)
	return k
}

// ends waits for the end and returns the last execution's outcome.
func (s *system) ends(k multinode.InvocationKey, want multinode.Status) (multinode.Invocation, multinode.Outcome) {
	s.t.Helper()
	record := s.until(k, string(want), func(i multinode.Invocation) bool { return i.Status == want })
	x, ok := record.Latest()
	if !ok {
		return record, multinode.Outcome{}
	}
	o, _, err := s.store.Outcome(s.t.Context(), k.Execution(x.ID))
	s.must(err)
	return record, o
}

// yields waits until the running execution has yielded something, and returns its
// ID.
func (s *system) yields(k multinode.InvocationKey, want string) string {
	s.t.Helper()
	record := s.until(k, "running", func(i multinode.Invocation) bool { return i.Status == multinode.Running })
	x, _ := record.Live()
	for {
		output, _, err := s.store.LatestYield(s.t.Context(), k.Execution(x.ID))
		if err == nil && string(output) == want {
			return x.ID
		}
		select {
		case <-time.After(5 * time.Millisecond): // nothing tells of a yield
		case <-s.t.Context().Done():
			s.t.Fatalf("no yield %s came\n%s", want, s.workers.output())
		}
	}
}

func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// release lets go of a function that waits at the pipe.
func release(t *testing.T, path string) {
	t.Helper()
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
}

func TestAWorkerSucceeds(t *testing.T) {
	s := start(t, function("add"), function("environment"))
	record, o := s.ends(s.invoke("add", 2, 3), multinode.Succeeded)
	if string(o.Output) != "5" || len(record.Executions) != 1 || record.Executions[0].StartedAt == nil {
		t.Errorf("it left %+v in %+v", o, record)
	}
	k := s.invoke("environment")
	record, o = s.ends(k, multinode.Succeeded)
	var environment map[string]string
	s.must(json.Unmarshal(o.Output, &environment))
	for name, want := range map[string]string{
		"PROJECT_NAME": "p", "VERSION_ID": record.Version, "FUNCTION_NAME": "environment", "INVOCATION_ID": k.ID,
		"EXECUTION_ID": record.Executions[0].ID, "API_URL": s.url,
	} {
		if got := environment["MULTINODE_"+name]; got != want {
			t.Errorf("MULTINODE_%s is %q, want %q", name, got, want)
		}
	}
}

func TestAWorkerYields(t *testing.T) {
	s := start(t, function("steps"))
	path := pipe(t)
	k := s.invoke("steps", path)
	s.yields(k, `"first"`)
	release(t, path)
	if _, o := s.ends(k, multinode.Succeeded); string(o.Output) != `"second"` {
		t.Errorf("it left %+v", o)
	}
}

func TestAWorkerFails(t *testing.T) {
	s := start(t, function("refuse", retries(1)))
	record, o := s.ends(s.invoke("refuse"), multinode.Failed)
	if o.Kind != multinode.OutcomeFailed || o.Error != "ValueError: no good" || len(record.Executions) != 2 || record.FailedAttempts() != 2 {
		t.Errorf("it left %+v in %+v", o, record)
	}
}

func TestAWorkerIsCancelled(t *testing.T) {
	s := start(t, function("tidy_up", retries(1)))
	k := s.invoke("tidy_up")
	s.yields(k, `"running"`)
	_, _, err := s.store.RequestCancel(t.Context(), k)
	s.must(err)
	record, o := s.ends(k, multinode.Cancelled)
	if string(o.Output) != `"InvocationCancelledError"` || len(record.Executions) != 1 {
		t.Errorf("it left %+v in %+v", o, record)
	}
}

func TestAWorkerTimesOut(t *testing.T) {
	s := start(t, function("tidy_up", timeout(time.Second), retries(1)))
	record, o := s.ends(s.invoke("tidy_up"), multinode.TimedOut)
	if string(o.Output) != `"InvocationTimedOutError"` || len(record.Executions) != 1 {
		t.Errorf("it left %+v in %+v", o, record)
	}
}

func TestAWorkerThatIgnoresAnInterruptIsKilled(t *testing.T) {
	s := start(t, function("ignore", retries(1)))
	s.workers.patience = 50 * time.Millisecond
	k := s.invoke("ignore")
	s.yields(k, `"running"`)
	_, _, err := s.store.RequestCancel(t.Context(), k)
	s.must(err)
	if record, o := s.ends(k, multinode.Cancelled); o.Kind != multinode.OutcomeCancelled || len(record.Executions) != 1 {
		t.Errorf("it left %+v in %+v", o, record)
	}
}

func TestAWorkerThatEndsWithoutAWordIsTriedAgain(t *testing.T) {
	s := start(t, function("crash_once", retries(1)), function("crash", retries(1)), function("sleep"))
	record, o := s.ends(s.invoke("crash_once", filepath.Join(t.TempDir(), "marker")), multinode.Succeeded)
	if string(o.Output) != `"second try"` || len(record.Executions) != 2 || record.Executions[0].Outcome != multinode.OutcomeLost {
		t.Errorf("it left %+v in %+v", o, record)
	}
	record, o = s.ends(s.invoke("crash"), multinode.Failed)
	if o.Kind != multinode.OutcomeLost || !strings.Contains(o.Error, "exit status 3") || len(record.Executions) != 2 {
		t.Errorf("it left %+v in %+v", o, record)
	}
	k := s.invoke("sleep")
	record = s.until(k, "running", func(i multinode.Invocation) bool { return i.Status == multinode.Running })
	x, _ := record.Live()
	s.must(s.workers.kill(x.ID))
	if _, o = s.ends(k, multinode.Failed); o.Kind != multinode.OutcomeLost || !strings.Contains(o.Error, "killed") {
		t.Errorf("it left %+v", o)
	}
}

// What a worker starts is its child, and ends with it.
func TestAWorkerStartsAnother(t *testing.T) {
	s := start(t, function("parent"), function("sleep"))
	path := pipe(t)
	k := s.invoke("parent", path)
	record := s.until(k, "running", func(i multinode.Invocation) bool { return i.Status == multinode.Running })
	x, _ := record.Live()
	var child string
	for child == "" {
		output, _, err := s.store.LatestYield(t.Context(), k.Execution(x.ID))
		if err != nil {
			time.Sleep(5 * time.Millisecond) // nothing tells of a yield
			continue
		}
		s.must(json.Unmarshal(output, &child))
	}
	of := k
	of.Function, of.ID = "sleep", child
	record = s.until(of, "running", func(i multinode.Invocation) bool { return i.Status == multinode.Running })
	if a, ok := record.Parent(); !ok || a.ID != k.ID {
		t.Errorf("its lineage is %+v", record.Lineage)
	}
	_, _, err := s.store.RequestCancel(t.Context(), k)
	s.must(err)
	s.ends(k, multinode.Cancelled)
	s.ends(of, multinode.Cancelled)
}
