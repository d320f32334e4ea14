package published

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode"
)

// command is a program of the published package, without a terminal: asked for a
// password, it would read that from one.
func (s *system) command(home, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(s.t.Context(), filepath.Join(filepath.Dir(s.python), name), args...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8", "TZ=UTC", "PYTHONDONTWRITEBYTECODE=1"}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.WaitDelay = time.Second
	return c
}

func TestAnApplication(t *testing.T) {
	s := start(t, function("add"), function("sleep"), function("short", timeout(time.Second)), function("refuse", retries(1)))
	c := s.command(t.TempDir(), "python", filepath.Join("testdata", "application.py"))
	c.Env = append(c.Env, "MULTINODE_API_URL="+s.url, "MULTINODE_API_KEY="+adminKey)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\nworkers:\n%s", err, out, s.workers.output())
	}
}

func TestTheCommandLine(t *testing.T) {
	s := start(t, function("add"), function("sleep"), function("refuse", retries(1)))
	record, _ := s.ends(s.invoke("add", 1), multinode.Succeeded)
	failed, _ := s.ends(s.invoke("refuse"), multinode.Failed)
	done, x := record.Key.ID, record.Executions[0].ID
	s.must(s.store.PutLogs(t.Context(), record.Key.Execution(x), []multinode.LogLine{{Stream: "stdout", Text: "hello"}, {Text: "world"}}))
	running := s.invoke("sleep")
	s.until(running, "running", func(i multinode.Invocation) bool { return i.Status == multinode.Running })
	s.must(s.index.WaitFor(t.Context(), s.revision()))

	home := t.TempDir()
	of := func(function string) []string {
		return []string{"--project-name", "p", "--function-name", function}
	}
	invocation := func(function, id string) []string { return append(of(function), "--invocation-id", id) }
	for _, c := range []struct {
		name, input string
		args        []string
		code        int
		want        []string
	}{
		{"before the login", "", []string{"list"}, 1, []string{"You are not logged in."}},
		{"a wrong key", s.url + "\nwrong\n", []string{"login"}, 1, []string{"API key is invalid."}},
		{"the login", s.url + "\n" + adminKey + "\n", []string{"login"}, 0, []string{"You have successfully logged in!"}},
		{"a second login", "", []string{"login"}, 0, []string{"You are already logged in."}},
		{"list", "", []string{"list"}, 0, []string{"Deployed projects:", "\tp\n"}},
		{"a project", "", []string{"describe", "--project-name", "p"}, 0, []string{
			"p details:", record.Version + " (latest) details:", "add:", "cpus: 0.1", "memory: 0.25 GiB", "max concurrency: 4",
			"max retries: 1", "timeout: 3600s", "total invocations: 1",
		}},
		{"a version", "", []string{"describe", "--project-name", "p", "--version-id", record.Version}, 0, []string{record.Version + " functions:"}},
		{"a function", "", append([]string{"describe"}, of("add")...), 0, []string{done + " (terminated):"}},
		{"a running function", "", append([]string{"describe"}, of("sleep")...), 0, []string{running.ID + " (in-flight):"}},
		{"a success", "", append([]string{"describe"}, invocation("add", done)...), 0, []string{done + " (SUCCEEDED):", x + ":", "outcome: SUCCEEDED"}},
		{"a failure", "", append([]string{"describe"}, invocation("refuse", failed.Key.ID)...), 0, []string{
			failed.Key.ID + " (FAILED, 2 failed attempts):", failed.Executions[0].ID, failed.Executions[1].ID, "error message: ValueError: no good",
		}},
		{"one that runs", "", append([]string{"describe"}, invocation("sleep", running.ID)...), 0, []string{running.ID + " (RUNNING):", "execution start time:"}},
		{"no project", "", []string{"describe", "--project-name", "none"}, 1, []string{`Project "none" does not exist.`}},
		{"no version", "", []string{"describe", "--project-name", "p", "--version-id", "ver-0"}, 1, []string{`Version "ver-0" does not exist`}},
		{"no function", "", append([]string{"describe"}, of("none")...), 1, []string{`Function "none" does not exist`}},
		{"no invocation", "", append([]string{"describe"}, invocation("add", "inv-0")...), 1, []string{`Invocation "inv-0" does not exist`}},
		{"logs", "", append(append([]string{"logs"}, invocation("add", done)...), "--execution-id", x), 0, []string{"hello\nworld\n"}},
		{"no logs", "", append(append([]string{"logs"}, invocation("add", done)...), "--execution-id", "exe-0"), 1, []string{
			"An execution with this ID does not exist for this invocation",
		}},
		{"undeploy nothing", "", []string{"undeploy", "--project-name", "none"}, 1, []string{`Project "none" does not exist.`}},
		{"undeploy", "", []string{"undeploy", "--project-name", "p"}, 0, []string{`Project "p" has been successfully marked for deletion.`}},
	} {
		command := s.command(home, "multinode", c.args...)
		command.Stdin = strings.NewReader(c.input)
		out, err := command.CombinedOutput()
		if code := command.ProcessState.ExitCode(); code != c.code {
			t.Fatalf("%s: exit code %d, want %d: %v\n%s", c.name, code, c.code, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %q is missing in\n%s", c.name, want, out)
			}
		}
	}
	s.awaitUndeployed()
	out, err := s.command(home, "multinode", "list").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "You have not deployed any projects yet.") {
		t.Errorf("at the end: %v\n%s", err, out)
	}
	if ids := s.workers.alive(); len(ids) > 0 {
		t.Errorf("these workers outlive their project: %v", ids)
	}
}

// revision returns how far the records have come.
func (s *system) revision() uint64 {
	s.t.Helper()
	revision, err := s.store.RecordsRevision(s.t.Context())
	s.must(err)
	return revision
}

// awaitUndeployed waits until the project is gone.
func (s *system) awaitUndeployed() {
	s.t.Helper()
	changes, stop := s.store.RegistryChanges()
	defer stop()
	for {
		projects, err := s.store.Projects(context.WithoutCancel(s.t.Context()))
		s.must(err)
		if len(projects) == 0 {
			return
		}
		select {
		case <-changes:
		case <-s.t.Context().Done():
			s.t.Fatalf("%+v is still there", projects)
		}
	}
}
