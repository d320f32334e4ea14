package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"multinode"
	"multinode/trust"
	"multinode/up"
)

// operationsPage is docs/operations.md.
func operationsPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// operationsBlock is its block of that kind.
func operationsBlock(t *testing.T, kind string) string {
	t.Helper()
	_, rest, found := strings.Cut(operationsPage(t), "```"+kind+"\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("the page has no block %s", kind)
	}
	return text
}

// unit returns the text of the documented unit of systemd, and its settings.
func unit(t *testing.T) (text string, settings map[string]string) {
	t.Helper()
	text = operationsBlock(t, "ini")
	settings = map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			settings[name] = value
		}
	}
	return text, settings
}

func TestTheDocumentedUnitIsValid(t *testing.T) {
	text, settings := unit(t)
	// What the service takes for its end must fit into what systemd gives it.
	for _, drain := range []time.Duration{0, gatewayDrain} {
		if limit, err := strconv.Atoi(settings["TimeoutStopSec"]); err != nil || time.Duration(limit)*time.Second <= stopTimeout+drain {
			t.Errorf("the unit allows %s s, and the end may take %s", settings["TimeoutStopSec"], stopTimeout+drain)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "multinode.service")
	text = strings.ReplaceAll(text, "/usr/local/bin/multinode", self)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "multinode.service") {
			t.Error(line)
		}
	}
	if err != nil && t.Failed() {
		t.Error(err)
	}
}

// A service is started and restarted as the unit says: systemd sends SIGTERM, to the
// main process only where KillMode is process, and to every process otherwise.
func TestRestartsOfTheDocumentedUnit(t *testing.T) {
	t.Parallel()
	_, settings := unit(t)
	if settings["KillMode"] != "process" {
		t.Fatalf("KillMode is %q", settings["KillMode"])
	}
	const key = "a-key-of-sixteen-characters"
	var args []string
	for _, arg := range strings.Fields(settings["ExecStart"])[1:] {
		switch name, _, _ := strings.Cut(arg, "="); name {
		case "--data-dir":
			arg = "--data-dir=" + filepath.Join(t.TempDir(), "data")
		case "--listen":
			arg = "--listen=127.0.0.1:0"
		case "--tls-cert", "--tls-key":
			continue
		}
		args = append(args, arg)
	}
	service := multinodeProcess(t, []string{"MULTINODE_API_KEY=" + key}, args...) // of the EnvironmentFile
	service.path = filepath.Join(t.TempDir(), "multinode")
	install(t, service.path)
	user := newShell(t, nil)
	user.poll = 50 * time.Millisecond
	user.mustRun("login", "--url="+service.start()["url"], "--key="+key)
	const name = "--project-name=served"
	user.mustRun("deploy", project(t, map[string]string{"main.py": heldTasks}), name)

	folder := t.TempDir()
	runs := func(who string) []string {
		text, err := os.ReadFile(filepath.Join(folder, who))
		if err != nil {
			return nil
		}
		return strings.Fields(string(text))
	}
	begin := func(who string) (id string) {
		out, _ := user.mustRun("invoke", "--detach", name, "--function-name=held", fmt.Sprintf("--args=[%q, %q]", folder, who))
		eventually(t, who+" runs", func() bool { return len(runs(who)) == 1 })
		return strings.TrimSpace(out)
	}
	spared, killed := begin("spared"), begin("killed")
	install(t, service.path) // an upgrade: what runs keeps its old program
	service.stop()
	// As without that line: systemd would have sent it to the workers too.
	worker, err := strconv.Atoi(runs("killed")[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-worker, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	service.start()
	eventually(t, "what was killed runs again", func() bool { return len(runs("killed")) == 2 })
	if err := os.WriteFile(filepath.Join(folder, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for id, failures := range map[string]string{spared: "SUCCEEDED\n", killed: "SUCCEEDED, 1 failed attempt\n"} {
		of := []string{name, "--function-name=held", "--invocation-id=" + id}
		user.mustRun(append([]string{"logs", "-f"}, of...)...) // until it has ended
		contains(t, first(user.mustRun(append([]string{"describe"}, of...)...)), failures)
	}
	if n := len(runs("spared")); n != 1 {
		t.Errorf("the worker that was spared ran %d times", n)
	}
}

// install puts the program there, in place of another.
func install(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `cp "$1" "$2.new" && mv "$2.new" "$2"`, "sh", self, path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// The numbers of the page are those of the code.
func TestTheNumbersOfTheOperationsPage(t *testing.T) {
	page := strings.Join(strings.Fields(operationsPage(t)), " ")
	seconds := func(d time.Duration) string { return fmt.Sprint(d.Seconds()) + " s" }
	contains(t, page,
		"they wait "+seconds(multinode.WorkerLease)+" for it",
		"takes less than "+seconds(multinode.WorkerLease),
		seconds(multinode.LostAfter)+" after another dispatcher has taken them over, which takes up to "+seconds(multinode.AckWait),
		fmt.Sprintf("`--retention` keeps (%d days)", up.DefaultRetention/(24*time.Hour)),
		"`--drain` ("+seconds(gatewayDrain)+":",
		fmt.Sprintf("a server takes %s,", strings.Replace(fmt.Sprint(trust.MaxConnections), "16384", "16,384", 1)),
	)
	if trust.MaxWorkerConnections*4 != trust.MaxConnections*3 {
		t.Error("workers may have another share than three quarters")
	}
}
