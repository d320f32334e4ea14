package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// heldTasks notes the process of each run's worker.
const heldTasks = `
import os, time
from multinode import Multinode

mn = Multinode()

@mn.function()
def double(n):
    return 2 * n

@mn.function(max_retries=1)
def held(folder, name):
    with open(os.path.join(folder, name), "a") as f:
        f.write("%d\n" % os.getppid())
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.05)
    return name
`

// A copy of the data folder of a stopped system is a backup: what it is restored
// to has the projects, the keys and the results, and goes on with what was running.
func TestBackupAndRestore(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := startServer(t, data)
	user := s.login()
	const name = "--project-name=kept"
	user.mustRun("deploy", project(t, map[string]string{"main.py": heldTasks}), name)
	_, stderr := user.mustRun("invoke", name, "--function-name=double", "--args=[21]")
	finished := []string{"describe", name, "--function-name=double", "--invocation-id=" + invocationID.FindString(stderr)}
	before, _ := user.mustRun(finished...)
	contains(t, before, "42", "SUCCEEDED")
	var made struct {
		Key string `json:"key"`
	}
	out, _ := user.mustRun("keys", "create", "--name=other", "--role=invoke", "--json")
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Key == "" {
		t.Fatalf("no key in %s: %v", out, err)
	}

	folder := t.TempDir()
	runs := func(name string) []string {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil
		}
		return strings.Fields(string(text))
	}
	ids := map[string]string{}
	for _, who := range []string{"survivor", "victim"} {
		out, _ := user.mustRun("invoke", "--detach", name, "--function-name=held", fmt.Sprintf("--args=[%q, %q]", folder, who))
		ids[who] = strings.TrimSpace(out)
		eventually(t, who+" runs", func() bool { return len(runs(who)) == 1 })
	}
	if code := s.stop(); code != exitOK {
		t.Fatalf("multinode up ended with code %d", code)
	}

	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	worker, err := strconv.Atoi(runs("victim")[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-worker, syscall.SIGKILL); err != nil { // each worker has a process group
		t.Fatal(err)
	}
	if err := os.Rename(data, data+".lost"); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(data, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}

	again := startServer(t, data)
	if again.URL != s.URL || again.Key != s.Key {
		t.Errorf("the restored server is at %s, and was at %s", again.URL, s.URL)
	}
	if after, _ := user.mustRun(finished...); after != before {
		t.Errorf("what was\n%s\nis\n%s", before, after)
	}
	if err := os.WriteFile(filepath.Join(folder, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for who, tries := range map[string]int{"survivor": 1, "victim": 2} {
		of := []string{name, "--function-name=held", "--invocation-id=" + ids[who]}
		user.mustRun(append([]string{"logs", "-f"}, of...)...) // until it has ended
		out, _ := user.mustRun(append([]string{"describe"}, of...)...)
		contains(t, out, "SUCCEEDED", who)
		if got := runs(who); len(got) != tries {
			t.Errorf("%s ran %d times", who, len(got))
		}
	}
	other := newShell(t, nil)
	other.env["MULTINODE_API_URL"], other.env["MULTINODE_API_KEY"] = again.URL, made.Key
	if out, _ := other.mustRun("invoke", name, "--function-name=double", "--args=[4]"); strings.TrimSpace(out) != "8" {
		t.Errorf("double returned %s", out)
	}
}
