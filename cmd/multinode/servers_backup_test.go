package main

import (
	"encoding/json"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"multinode/client"
	"multinode/internal/testlog"
	"multinode/wire"
)

// documented runs a block of commands of docs/operations.md as it stands there, but for
// the names of things.
func (f *fleet) documented(block, dir string) error {
	f.t.Helper()
	if _, err := exec.LookPath("nats"); err != nil {
		if os.Getenv("CI") != "" {
			f.t.Fatal("the nats tool is missing: go install github.com/nats-io/natscli/nats@v0.5.1")
		}
		f.t.Skip("the nats tool is not on the PATH")
	}
	script := operationsBlock(f.t, "sh "+block)
	script = strings.NewReplacer("nats://10.0.0.1", strings.Split(f.url, ",")[0], "control-plane.creds", f.creds, "DIR", dir).Replace(script)
	command := exec.CommandContext(f.t.Context(), "sh", "-euc", script)
	command.Env = append(os.Environ(), "HOME="+f.t.TempDir(), "XDG_CONFIG_HOME="+f.t.TempDir())
	command.Stdout, command.Stderr = testlog.New(f.t), testlog.New(f.t)
	return command.Run()
}

// A backup is made of a cluster that works, by the documented command. All three
// servers and their disks are lost then. What is restored has the projects and the
// results, and everything that was accepted before the backup comes to its end.
func TestBackupAndRestoreOfServers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	f := newFleet(t, 3)
	user := newShell(t, nil)
	user.poll = 50 * time.Millisecond
	user.mustRun("login", "--url="+f.balancer.URL, "--key="+fleetKey)
	const name = "--project-name=fleet"
	// A worker that is not found again, as on a slow machine after more than its lease, uses up a try.
	tasks := strings.NewReplacer("max_concurrency=4", "max_concurrency=4, max_retries=9", "function()", "function(max_retries=9)").Replace(fleetTasks)
	user.mustRun("deploy", project(t, map[string]string{"main.py": tasks}), name)
	l := &load{f: f, folder: t.TempDir()}
	_, stderr := user.mustRun("invoke", name, "--function-name=quick", "--args", `["`+l.folder+`", 0]`)
	finished := []string{"describe", name, "--function-name=quick", "--invocation-id=" + invocationID.FindString(stderr)}
	before, _ := user.mustRun(finished...)
	var made struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal([]byte(first(user.mustRun("keys", "create", "--name=other", "--role=read", "--json"))), &made); err != nil {
		t.Fatal(err)
	}

	held := client.Function{Project: "fleet", Version: client.Latest, Name: "held"}
	var accepted []string // ten run, and two wait for their turn
	for n := range 12 {
		info, err := f.api.Start(t.Context(), held, wire.InvocationDefinition{Input: fleetInput(l.folder, n)}, "")
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, info.InvocationID)
	}
	running := func() int {
		all, err := filepath.Glob(filepath.Join(l.folder, "held-*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	eventually(t, "ten run", func() bool { return running() == 10 })

	backup := filepath.Join(t.TempDir(), "backup")
	l.during(func() {
		if err := f.documented("backup", backup); err != nil {
			t.Errorf("the backup: %v", err)
		}
	})
	if t.Failed() {
		return
	}
	f.stopAll()
	for i := range f.nats {
		f.nats[i].kill()
		if err := os.RemoveAll(f.dir("nats-data", i)); err != nil {
			t.Fatal(err)
		}
	}

	for i := range f.nats {
		f.nats[i].launch()
	}
	for i := range f.nats {
		f.healthy(i)
	}
	if err := f.documented("restore", backup); err != nil {
		t.Fatalf("the restore: %v", err)
	}
	for _, kind := range []string{"gateway", "dispatcher"} {
		for i := range 2 {
			if err := os.Remove(filepath.Join(f.dir(kind, i), "index.db")); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range append(f.gateways, f.dispatchers...) {
		p.start()
	}
	f.current()

	if f.documented("restore", backup) == nil {
		t.Error("it is restored over what is there")
	}
	if after, _ := user.mustRun(finished...); after != before {
		t.Errorf("what was\n%s\nis\n%s", before, after)
	}
	if err := os.WriteFile(filepath.Join(l.folder, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, id := range accepted {
		info, err := f.api.Await(t.Context(), held.Invocation(id))
		if err != nil || info.Status != wire.StatusSucceeded {
			t.Errorf("%s: %v, %+v", id, err, info)
		}
		t.Logf("%s was done after %d executions", id, len(info.Executions))
	}
	if n := running(); n != len(accepted) {
		t.Errorf("%d of %d ran", n, len(accepted))
	}
	// What was in the midst of something during the backup goes on from where it was.
	quick := client.Function{Project: "fleet", Version: client.Latest, Name: "quick"}
	for id := range f.each(quick) {
		if info, err := f.api.Await(t.Context(), quick.Invocation(id)); err != nil || info.Status != wire.StatusSucceeded {
			t.Errorf("%s: %v, %+v", id, err, info)
		}
	}
	l.during(func() {})
	other := newShell(t, nil)
	other.env["MULTINODE_API_URL"], other.env["MULTINODE_API_KEY"] = f.balancer.URL, made.Key
	contains(t, first(other.mustRun("list")), "fleet")
}

func first(stdout, _ string) string { return stdout }

// each returns the IDs of a function's invocations.
func (f *fleet) each(of client.Function) iter.Seq[string] {
	return func(yield func(string) bool) {
		for o := (client.ListOptions{}); ; {
			page, err := f.api.Invocations(f.t.Context(), of, o)
			if err != nil {
				f.t.Fatal(err)
			}
			for _, i := range page.Invocations {
				if !yield(i.InvocationID) {
					return
				}
			}
			if page.NextOffset == nil {
				return
			}
			o.Offset = *page.NextOffset
		}
	}
}
