package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/process"
)

// report is a runner that writes down what it has been given, and waits to be
// killed.
const report = `env >"$MULTINODE_WORKER_DIR/env" && pwd >"$MULTINODE_WORKER_DIR/pwd" && echo changed >main.py &&
	echo reported >"$0" && exec sleep 100000`

// launchShell launches a shell script with the calls' fifo as $0, and waits for
// its call.
func launchShell(t *testing.T, s site, script string, intent provision.Intent, environ ...string) (*process.Provisioner, string) {
	t.Helper()
	calls := newCalls(t)
	options := s.options(0)
	options.Command = []string{"sh", "-c", script, calls.path}
	options.Environ = append([]string{"PATH=" + os.Getenv("PATH")}, environ...)
	p := s.open(t, options)
	t.Cleanup(func() {
		stop(t, p, intent.ExecutionID)
		_ = p.Close()
	})
	if _, err := p.Launch(soon(t), intent); err != nil {
		t.Fatal(err)
	}
	calls.next(t)
	return p, filepath.Join(s.dir, "workers", intent.ExecutionID)
}

// soon is a context for what takes moments.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func nextExit(t *testing.T, p *process.Provisioner) provision.Exit {
	t.Helper()
	select {
	case exit := <-p.Exits():
		return exit
	case <-soon(t).Done():
		t.Fatal("no notice came")
		return provision.Exit{}
	}
}

func stop(t *testing.T, p *process.Provisioner, id string) {
	t.Helper()
	if err := p.Stop(soon(t), id, multinode.Worker{}, 0); err != nil && !errors.Is(err, process.ErrClosed) {
		t.Errorf("stop: %v", err)
	}
}

func TestARunnerGetsItsOwnFilesAndNoMore(t *testing.T) {
	s := newSite(t)
	intent := s.intent(multinode.NewID("exe"))
	intent.Environment["MULTINODE_API_KEY"] = "key"
	intent.Environment["MULTINODE_WORKER_DIR"] = "/somewhere/else"
	p, dir := launchShell(t, s, report, intent,
		"HOME=/home/x", "LC_TIME=C", "TZ=UTC", "https_proxy=http://proxy", "AWS_SECRET_ACCESS_KEY=x", "MULTINODE_NATS_URL=x")

	for path, mode := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "runner.creds"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if content := read(t, filepath.Join(dir, "runner.creds")); content != string(intent.Credentials) {
		t.Errorf("credentials: %q", content)
	}
	if content := read(t, filepath.Join(dir, "pwd")); content != filepath.Join(dir, "project")+"\n" {
		t.Errorf("working directory: %q", content)
	}
	if content := read(t, filepath.Join(s.project, "main.py")); strings.Contains(content, "changed") {
		t.Error("the worker has changed the version's own copy of the project")
	}
	got := strings.Fields(read(t, filepath.Join(dir, "env")))
	got = slices.DeleteFunc(got, func(v string) bool {
		name, _, _ := strings.Cut(v, "=") // shells set these themselves
		return name == "PWD" || name == "SHLVL" || name == "_" || name == "OLDPWD"
	})
	want := []string{
		"HOME=/home/x", "LC_TIME=C", "TZ=UTC", "https_proxy=http://proxy", "PATH=" + os.Getenv("PATH"),
		"MULTINODE_API_KEY=key", "MULTINODE_EXECUTION_ID=" + intent.ExecutionID, "MULTINODE_WORKER_DIR=" + dir,
		"MULTINODE_PROJECT_DIR=" + filepath.Join(dir, "project"), "MULTINODE_NATS_CREDS=" + filepath.Join(dir, "runner.creds"),
		"MULTINODE_PYTHON=/bin/sh",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("environment:\n%s\nnot:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	stop(t, p, intent.ExecutionID)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("after stop: %v", err)
	}
}

func TestStopRemovesWhatUserCodeMadeReadOnly(t *testing.T) {
	s := newSite(t)
	intent := s.intent(multinode.NewID("exe"))
	p, _ := launchShell(t, s, `mkdir -p a/b && touch a/b/c && chmod 500 a/b a && echo x >"$0" && exec sleep 100000`, intent)
	stop(t, p, intent.ExecutionID)
	for _, dir := range []string{"workers", "removing"} {
		if left, err := os.ReadDir(filepath.Join(s.dir, dir)); err != nil || len(left) > 0 {
			t.Errorf("%s: %v, %v", dir, left, err)
		}
	}
}

// A reused pid is another's process: it counts as dead, and is never signalled.
func TestAReusedPIDIsLeftAlone(t *testing.T) {
	bystander := exec.Command("sleep", "100000")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	for _, change := range []func(map[string]any){
		func(r map[string]any) { r["start"] = r["start"].(float64) - 1 },
		func(r map[string]any) { r["boot"] = "another" },
	} {
		s := newSite(t)
		id := multinode.NewID("exe")
		record := process.RecordOf(t, bystander.Process.Pid)
		change(record)
		data, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(s.dir, "workers", id)
		write(t, filepath.Join(dir, "worker.json"), string(data))
		write(t, filepath.Join(dir, "started"), "")

		p := s.open(t, s.options(1))
		if exit := nextExit(t, p); exit.ExecutionID != id {
			t.Errorf("notice: %+v", exit)
		}
		workers, err := p.List(t.Context())
		if err != nil || len(workers) != 1 || workers[0].Alive {
			t.Errorf("listed: %+v, %v", workers, err)
		}
		stop(t, p, id)
		_ = p.Close()
		if err := bystander.Process.Signal(syscall.Signal(0)); err != nil {
			t.Fatalf("the bystander: %v", err)
		}
	}
}

func TestADamagedFolderIsListedDeadAndCanBeStopped(t *testing.T) {
	s := newSite(t)
	id := multinode.NewID("exe")
	dir := filepath.Join(s.dir, "workers", id)
	write(t, filepath.Join(dir, "worker.json"), "{")
	write(t, filepath.Join(dir, "started"), "")
	write(t, filepath.Join(s.dir, "workers", "not.ours", "x"), "")
	p := s.open(t, s.options(0))
	defer func() { _ = p.Close() }()
	nextExit(t, p)
	if workers, err := p.List(t.Context()); err != nil || len(workers) != 1 || workers[0].Alive {
		t.Errorf("listed: %+v, %v", workers, err)
	}
	stop(t, p, id)
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("after stop: %v", err)
	}
}

// User code in a session of its own and without its environment is found by the
// process group that the runner has named, also after the runner's end.
func TestTheNamedGroupIsKilled(t *testing.T) {
	s := newSite(t)
	intent := s.intent(multinode.NewID("exe"))
	// The inner shell is in the new session; its pid is what setsid execs.
	script := `setsid env -i PATH="$PATH" sh -c 'echo $$ >"$1/group.new" && mv "$1/group.new" "$1/group" && exec sleep 100000' x "$MULTINODE_WORKER_DIR" &
		while ! [ -f "$MULTINODE_WORKER_DIR/group" ]; do :; done; echo x >"$0"; exec sleep 100000`
	p, dir := launchShell(t, s, script, intent)
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, filepath.Join(dir, "group"))))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Close() // so that only its end is seen, and not its children before it
	if err := syscall.Kill(process.RunnerOf(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p = s.open(t, s.options(0))
	defer func() { _ = p.Close() }()
	nextExit(t, p)
	if process.Alive(pid) {
		t.Errorf("process %d of the group is alive", pid)
	}
	stop(t, p, intent.ExecutionID)
}

func TestLogsAreBounded(t *testing.T) {
	s := newSite(t)
	path := filepath.Join(s.dir, "workers", "exe-1", "runner.log")
	write(t, path, strings.Repeat("old\n", 1000)+strings.Repeat("new\n", 20))
	runner, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = runner.Close() }()
	if err := process.Shorten(path, 160); err != nil {
		t.Fatal(err)
	}
	if _, err := runner.WriteString("newest\n"); err != nil {
		t.Fatal(err)
	}
	content := read(t, path)
	if len(content) > 160 || strings.Contains(content, "old") || strings.ContainsRune(content, 0) || !strings.HasSuffix(content, "new\nnewest\n") {
		t.Errorf("log: %q", content)
	}
}

func TestTheLastLinesExplain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if tail := process.Tail(path); tail != "" {
		t.Errorf("of no file: %q", tail)
	}
	write(t, path, strings.Repeat(strings.Repeat("x", 99)+"\n", 1000)+"bad \xff byte\n\n")
	tail := process.Tail(path)
	lines := strings.Split(tail, "\n")
	if len(lines) != 20 || len(lines[0]) != 99 || lines[19] != "bad \uFFFD byte" {
		t.Errorf("%d lines: %q", len(lines), tail)
	}
}

func TestAnIncompleteLaunchLeavesNothing(t *testing.T) {
	s := newSite(t)
	p := s.open(t, s.options(1))
	defer func() { _ = p.Close() }()
	if err := syscall.Mkfifo(filepath.Join(s.project, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 { // and gives back its place
		_, err := p.Launch(soon(t), s.intent(multinode.NewID("exe")))
		if provision.KindOf(err) != provision.Transient || err == nil || !strings.Contains(err.Error(), "pipe is neither") {
			t.Fatalf("launch: %v", err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "workers")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOptionsAreCheckedAtOnce(t *testing.T) {
	_, err := process.New(process.Options{MaxWorkers: -1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"Dir", "MaxWorkers", "LogLimit", "Housekeeping", "PollInterval", "Logger"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in: %v", want, err)
		}
	}
}

func TestNothingOfADispatcherStaysOpen(t *testing.T) {
	s := newSite(t)
	open := func() int {
		entries, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := open()
	for range 2 {
		calls := newCalls(t)
		options := s.options(0)
		options.Command = calls.command()
		p := s.open(t, options)
		for range 5 {
			id := multinode.NewID("exe")
			if _, err := p.Launch(soon(t), s.intent(id)); err != nil {
				t.Fatal(err)
			}
			calls.next(t)
			stop(t, p, id)
			if !strings.Contains(nextExit(t, p).Detail, "told to stop") {
				t.Error("the notice does not say that it was stopped")
			}
		}
		_ = p.Close()
		_ = calls.fifo.Close()
	}
	if after := open(); after != before {
		t.Errorf("%d files are open, not %d", after, before)
	}
}

func TestCopiesAreFaithful(t *testing.T) {
	source, target := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	write(t, filepath.Join(source, "pkg", "tool"), "#!/bin/sh\n")
	write(t, filepath.Join(source, "fixed"), "x")
	then := time.Unix(1_700_000_000, 0)
	for _, err := range []error{
		os.Chmod(filepath.Join(source, "pkg", "tool"), 0o755),
		os.Chmod(filepath.Join(source, "fixed"), 0o444),
		os.Chtimes(filepath.Join(source, "fixed"), then, then),
		os.Symlink("pkg/tool", filepath.Join(source, "link")),
		os.Symlink("nowhere", filepath.Join(source, "dangling")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := process.CopyTree(t.Context(), source, target); err != nil {
		t.Fatal(err)
	}
	tool, err := os.Stat(filepath.Join(target, "link"))
	if err != nil || tool.Mode().Perm() != 0o755 {
		t.Errorf("tool: %v, %v", tool, err)
	}
	fixed, err := os.Stat(filepath.Join(target, "fixed"))
	if err != nil || fixed.Mode().Perm() != 0o644 || !fixed.ModTime().Equal(then) {
		t.Errorf("fixed: %v, %v", fixed, err)
	}
	if to, err := os.Readlink(filepath.Join(target, "dangling")); err != nil || to != "nowhere" {
		t.Errorf("dangling: %q, %v", to, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
