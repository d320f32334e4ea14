package dispatcher_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

func fn(name string, change ...func(*multinode.FunctionSpec)) multinode.FunctionSpec {
	f := multinode.FunctionSpec{Name: name, CPU: 0.1, MemoryGiB: 0.25, MaxConcurrency: 10, Timeout: time.Hour}
	for _, c := range change {
		c(&f)
	}
	return f
}

func retries(n int) func(*multinode.FunctionSpec) {
	return func(f *multinode.FunctionSpec) { f.MaxRetries = n }
}
func concurrency(n int) func(*multinode.FunctionSpec) {
	return func(f *multinode.FunctionSpec) { f.MaxConcurrency = n }
}
func timeout(d time.Duration) func(*multinode.FunctionSpec) {
	return func(f *multinode.FunctionSpec) { f.Timeout = d }
}

const prelude = `
import os, pathlib, time
from multinode import Multinode
mn = Multinode()
`

func TestAnInvocationRunsToItsEnd(t *testing.T) {
	s := newSystem(t, prelude+`
@mn.function()
def add(a, b):
    print("adding", a, "and", b)
    return {"sum": a + b, "secret": os.environ["FROM_DOT_ENV"], "id": os.environ["MULTINODE_INVOCATION_ID"]}
`, fn("add"))
	k := s.invoke(s.deploy("my project"), "add", 1, 2)
	done := s.end(k)
	if done.Status != multinode.Succeeded || len(done.Executions) != 1 {
		t.Fatalf("%+v\n%s", done, s.log(done))
	}
	if got, want := string(s.outcome(done).Output), `{"sum": 3, "secret": "secret", "id": "`+k.ID+`"}`; got != want {
		t.Errorf("the output is %s, not %s", got, want)
	}
	if log := s.log(done); !strings.Contains(log, "adding 1 and 2") {
		t.Errorf("the log is %q", log)
	}
}

func TestARetryAfterAFailureAndAfterACrash(t *testing.T) {
	s := newSystem(t, prelude+`
@mn.function(max_retries=2)
def flaky(folder):
    tries = len(list(pathlib.Path(folder).iterdir()))
    (pathlib.Path(folder) / str(tries)).touch()
    if tries == 0:
        raise ValueError("no good")
    if tries == 1:
        os._exit(7)
    return tries
`, fn("flaky", retries(2)))
	folder := t.TempDir()
	done := s.end(s.invoke(s.deploy("p"), "flaky", folder))
	if done.Status != multinode.Succeeded || done.FailedAttempts() != 2 {
		t.Fatalf("%s after %d failures\n%s", done.Status, done.FailedAttempts(), s.log(done))
	}
	first, _, err := s.store.Outcome(t.Context(), done.Key.Execution(done.Executions[0].ID))
	s.must(err)
	if !strings.Contains(first.Error, "ValueError: no good") {
		t.Errorf("the first execution's error is %q", first.Error)
	}
	second, _, err := s.store.Outcome(t.Context(), done.Key.Execution(done.Executions[1].ID))
	s.must(err)
	if !strings.Contains(second.Error, "7") {
		t.Errorf("the second execution's error is %q", second.Error)
	}
}

func TestAKilledWorkerIsNoticedAtOnceAndCostsATry(t *testing.T) {
	s := newSystem(t, prelude+`
@mn.function()
def suicide():
    os.kill(os.getppid(), 9)
    time.sleep(600)
`, fn("suicide"))
	done := s.end(s.invoke(s.deploy("p"), "suicide"))
	if done.Status != multinode.Failed || done.Executions[0].Outcome != multinode.OutcomeLost {
		t.Errorf("%s, %+v", done.Status, done.Executions)
	}
}

// waiter says that it runs, and blocks until a file appears.
const waiter = prelude + `
@mn.function()
def waiter(folder, name):
    folder = pathlib.Path(folder)
    try:
        print(name, "runs")
        while not (folder / (name + ".go")).exists():
            time.sleep(0.01)
        return name
    finally:
        (folder / (name + ".ended")).touch()
`

func release(t *testing.T, folder, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name+".go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func running(i multinode.Invocation) bool { return i.Status == multinode.Running }

func TestCancellingARunningInvocationInterruptsItsCode(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter", retries(3)))
	folder := t.TempDir()
	k := s.invoke(s.deploy("p"), "waiter", folder, "a")
	s.until(k, "running", running)
	_, _, err := s.store.RequestCancel(t.Context(), k)
	s.must(err)
	if done := s.end(k); done.Status != multinode.Cancelled || len(done.Executions) != 1 {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
	if _, _, err := s.store.RequestCancel(t.Context(), k); !errors.Is(err, multinode.ErrTerminal) {
		t.Errorf("cancelling it again returned %v", err)
	}
}

func TestCancellingAWaitingInvocationNeedsNoWorker(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter", concurrency(1)))
	p, folder := s.deploy("p"), t.TempDir()
	first := s.invoke(p, "waiter", folder, "first")
	s.until(first, "running", running)
	second, third := s.invoke(p, "waiter", folder, "second"), s.invoke(p, "waiter", folder, "third")
	_, _, err := s.store.RequestCancel(t.Context(), second)
	s.must(err)
	if done := s.end(second); done.Status != multinode.Cancelled || len(done.Executions) != 0 {
		t.Errorf("%+v", done)
	}
	release(t, folder, "first")
	release(t, folder, "third")
	for _, k := range []multinode.InvocationKey{first, third} {
		if done := s.end(k); done.Status != multinode.Succeeded {
			t.Errorf("%+v\n%s", done, s.log(done))
		}
	}
}

func TestACancelReachesDescendants(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter"))
	p, folder := s.deploy("p"), t.TempDir()
	parent := s.invoke(p, "waiter", folder, "parent")
	lineage := []multinode.Ancestor{{Function: "waiter", ID: parent.ID}}
	child := s.invokeAs(p, "waiter", lineage, folder, "child")
	lineage = append(lineage, multinode.Ancestor{Function: "waiter", ID: child.ID})
	grandchild := s.invokeAs(p, "waiter", lineage, folder, "grandchild")
	for _, k := range []multinode.InvocationKey{parent, child, grandchild} {
		s.until(k, "running", running)
	}
	_, _, err := s.store.RequestCancel(t.Context(), parent)
	s.must(err)
	// One that starts only now finds out by itself.
	late := s.invokeAs(p, "waiter", lineage[:1], folder, "late")
	for _, k := range []multinode.InvocationKey{parent, child, grandchild, late} {
		if done := s.end(k); done.Status != multinode.Cancelled {
			t.Errorf("%+v\n%s", done, s.log(done))
		}
	}
}

func TestATimeOutEndsTheCodeAndIsNotRetried(t *testing.T) {
	s := newSystem(t, prelude+`
@mn.function()
def slow():
    try:
        time.sleep(600)
    except BaseException as e:
        return type(e).__name__
`, fn("slow", timeout(time.Second), retries(3)))
	done := s.end(s.invoke(s.deploy("p"), "slow"))
	if done.Status != multinode.TimedOut || len(done.Executions) != 1 {
		t.Fatalf("%+v\n%s", done, s.log(done))
	}
	if o := s.outcome(done); string(o.Output) != `"InvocationTimedOutError"` {
		t.Errorf("what it returned within the grace is %q", o.Output)
	}
}

func TestTheNextDispatcherAdoptsWhatRuns(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter"))
	folder := t.TempDir()
	k := s.invoke(s.deploy("p"), "waiter", folder, "a")
	before := s.until(k, "running", running)
	s.stop()
	s.start()
	release(t, folder, "a")
	done := s.end(k)
	if done.Status != multinode.Succeeded || len(done.Executions) != 1 || done.Executions[0].ID != before.Executions[0].ID {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestAWorkerThatEndedWhileNobodyWatchedIsSettled(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter"))
	folder := t.TempDir()
	k := s.invoke(s.deploy("p"), "waiter", folder, "a")
	s.untilLine(k, "a runs") // before that it needs a dispatcher, for its input
	before := s.until(k, "running", running)
	s.stop()
	release(t, folder, "a")
	s.untilOutcome(k.Execution(before.Executions[0].ID))
	s.start()
	if done := s.end(k); done.Status != multinode.Succeeded {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

// untilLine waits until the line is in the invocation's log.
func (s *system) untilLine(k multinode.InvocationKey, text string) {
	s.t.Helper()
	batches, err := s.store.FollowLogs(s.t.Context(), k, "")
	s.must(err)
	for batch := range batches {
		for _, l := range batch.Lines {
			if l.Text == text {
				return
			}
		}
	}
}

// untilOutcome waits for the worker's outcome while no dispatcher runs.
func (s *system) untilOutcome(k multinode.ExecutionKey) {
	s.t.Helper()
	stored := make(chan struct{}, 1)
	s.must(s.store.FollowOutcomes(s.t.Context(), func(seen multinode.ExecutionKey) {
		if seen == k {
			stored <- struct{}{}
		}
	}))
	if _, _, err := s.store.Outcome(s.t.Context(), k); err == nil {
		return
	}
	<-stored
}

func TestARequestThatCannotRunFailsWithTheReason(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter"))
	p := s.deploy("p")
	k := multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: "waiter", ID: "my-own-id"}
	unknown := multinode.NewID(multinode.VersionPrefix)
	_, err := s.store.Accept(t.Context(), streams.Request{Key: k, Version: unknown, Input: []byte("[[], {}]")})
	s.must(err)
	// Its record is made by the dispatcher: nobody else could.
	s.must(s.index.Ready(t.Context()))
	for {
		changes, stop := s.index.Subscribe(k)
		if record, err := s.store.CurrentRecord(t.Context(), k); err == nil && record.Status.Terminal() {
			stop()
			if record.Status != multinode.Failed || !strings.Contains(s.outcome(record).Error, unknown) {
				t.Errorf("%+v: %q", record, s.outcome(record).Error)
			}
			return
		}
		<-changes
		stop()
	}
}

func TestUndeployEndsWhatRunsAndFreesTheName(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter", concurrency(1)))
	p, folder := s.deploy("p"), t.TempDir()
	k := s.invoke(p, "waiter", folder, "a")
	s.invoke(p, "waiter", folder, "waiting")
	s.untilLine(k, "a runs")
	s.undeploy(p)
	if _, err := os.Stat(filepath.Join(folder, "a.ended")); err != nil {
		t.Error("the running code was not interrupted:", err)
	}
	release(t, folder, "b")
	again := s.deploy("p")
	if done := s.end(s.invoke(again, "waiter", folder, "b")); done.Status != multinode.Succeeded {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

// undeploy asks for the end of the project and waits for it.
func (s *system) undeploy(p multinode.Project) {
	s.t.Helper()
	changes, stop := s.store.RegistryChanges()
	defer stop()
	_, err := s.store.UpdateProject(s.t.Context(), p.Name, p.Generation, func(p *multinode.Project) error {
		now := time.Now().UTC()
		p.DeletionRequestedAt = &now
		return nil
	})
	s.must(err)
	for {
		_, err := s.store.Project(s.t.Context(), p.Name)
		if errors.Is(err, streams.ErrNotFound) {
			return
		}
		s.must(err)
		<-changes
	}
}

func TestUndeployEndsAPreparation(t *testing.T) {
	s := newSystem(t, waiter, fn("waiter"))
	s.build.endless.Store(true)
	p, err := s.store.CreateProject(t.Context(), "p")
	s.must(err)
	updates := s.upload(p)
	for u := range updates {
		if u.Line != "" {
			break // it is being built
		}
	}
	s.undeploy(p)
	for u := range updates {
		if u.Version.State == multinode.VersionReady {
			t.Error("the version became ready")
		}
	}
	s.build.endless.Store(false)
	folder := t.TempDir()
	release(t, folder, "a")
	if done := s.end(s.invoke(s.deploy("p"), "waiter", folder, "a")); done.Status != multinode.Succeeded {
		t.Errorf("%+v\n%s", done, s.log(done))
	}
}

func TestLeasesThatAreGivenBackNeedNotRunOut(t *testing.T) {
	const many = 8
	s := newSystem(t, waiter, fn("waiter", concurrency(many)))
	p, folder := s.deploy("p"), t.TempDir()
	var keys []multinode.InvocationKey
	for range many {
		keys = append(keys, s.invoke(p, "waiter", folder, "all"))
	}
	for _, k := range keys {
		s.until(k, "running", running)
	}
	s.stop()
	s.start()
	started := time.Now()
	release(t, folder, "all")
	for _, k := range keys {
		if done := s.end(k); done.Status != multinode.Succeeded || len(done.Executions) != 1 {
			t.Errorf("%+v\n%s", done, s.log(done))
		}
	}
	if took := time.Since(started); took > multinode.AckWait/2 {
		t.Errorf("they were adopted after %v", took)
	}
}
