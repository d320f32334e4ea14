package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/images/imagestest"
)

// containerTasks is a project with requirements.
const containerTasks = `
import os, sys, time
from datetime import timedelta
import idna
from multinode import Multinode

mn = Multinode()

@mn.function(cpu=0.5, memory="256 MiB")
def about(*args):
    print("to stdout", args, flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    return {"version": 1, "uid": os.getuid(), "secret": os.environ["SECRET"], "idna": idna.encode("ä").decode()}

@mn.function(max_retries=1)
def fails(text):
    raise ValueError(text)

@mn.function()
def steps(n):
    for i in range(n):
        yield i

@mn.function()
def forever():
    print("waiting", flush=True)
    while True:
        time.sleep(0.05)

@mn.function(timeout=timedelta(seconds=1))
def too_slow():
    while True:
        time.sleep(0.05)

@mn.function()
def double(n):
    return 2 * n

@mn.function()
def quadruple(n):
    return sum(double.map([n, n]))

@mn.function(memory="64 MiB")
def hungry():
    return len(b"x" * (1 << 30))
`

// program is the real one, linked statically: what goes into images.
var program = sync.OnceValues(func() (string, error) {
	return imagestest.Program(context.Background(), environments)
})

// containerServer describes `multinode up` with containers on a data folder, in a
// network of its own.
func containerServer(t *testing.T, data string, env []string, args ...string) *process {
	t.Helper()
	imagestest.RequireEngine(t)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	network := containerNetwork(t, func() string {
		port, err := os.ReadFile(filepath.Join(data, "registry-port"))
		if err != nil {
			return ""
		}
		return "127.0.0.1:" + strings.TrimSpace(string(port)) + "/multinode"
	})
	args = append([]string{"up", "--data-dir=" + data, "--listen=127.0.0.1:0", "--provisioner=docker", "--docker-network=" + network}, args...)
	return &process{t: t, path: path, args: append(args, "--json"), env: append(env, "HOME="+t.TempDir())}
}

// containerNetwork names a network for the containers of one test. When the test ends it
// is removed, and what is left of containers and of copies of the repository's images.
func containerNetwork(t *testing.T, repository func() string) string {
	network := multinode.NewID("multinode-test")
	remove := func(found []byte, command ...string) {
		if left := strings.Fields(string(found)); len(left) > 0 {
			_ = exec.Command("docker", append(command, left...)...).Run()
		}
	}
	t.Cleanup(func() {
		left, _ := exec.Command("docker", "ps", "-aq", "--filter", "network="+network).Output()
		remove(left, "rm", "-fv") // of a test that failed
		if name := repository(); name != "" {
			left, _ = exec.Command("docker", "images", "-q", name).Output()
			remove(left, "rmi", "-f") // of a test that does not undeploy
		}
		if out, err := exec.Command("docker", "network", "rm", network).CombinedOutput(); err != nil {
			t.Errorf("something is left in the network of the workers: %s", out)
		}
	})
	return network
}

// loginTo returns a shell that is logged in to a server of another process.
func loginTo(t *testing.T, facts map[string]string) *shell {
	t.Helper()
	user := newShell(t, nil)
	user.poll = 50 * time.Millisecond
	user.mustRun("login", "--url="+facts["url"], "--key="+facts["api_key"])
	return user
}

// engineHas returns what the engine lists.
func engineHas(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "docker", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s%s", err, out, exit.Stderr)
		}
		t.Fatalf("docker %s: %v", strings.Join(args, " "), err)
	}
	return strings.Fields(string(out))
}

func TestTheJourneyInContainers(t *testing.T) {
	if testing.Short() {
		t.Skip("runs containers")
	}
	data := t.TempDir()
	base := imagestest.ServeBase(t)
	p := containerServer(t, data, nil, "--base-image="+base)
	facts := p.start()
	user := loginTo(t, facts)
	dir := project(t, map[string]string{"main.py": containerTasks, ".env": "SECRET=hidden\n", "requirements.txt": "idna\n"})
	const name = "--project-name=my project"

	out, stderr := user.mustRun("deploy", dir, name)
	contains(t, out, "my project  ver-", "about      0.5  256 MiB")
	contains(t, stderr, "Collecting idna", "Importing main.py", "Pushing the image", "Prepared version ver-")

	out, stderr = user.mustRun("invoke", name, "--function-name=about", "--args=[1, 2]")
	if got := strings.TrimSpace(out); got != `{"version": 1, "uid": 65532, "secret": "hidden", "idna": "xn--4ca"}` {
		t.Errorf("the result is %s", got)
	}
	contains(t, stderr, "│ to stdout (1, 2)", "│ to stderr", "SUCCEEDED")
	of := []string{name, "--function-name=about", "--invocation-id=" + invocationID.FindString(stderr)}
	out, _ = user.mustRun(append([]string{"logs"}, of...)...)
	contains(t, out, "to stdout (1, 2)\n", "to stderr\n")

	stderr = user.mustFail(exitFailure, "invoke", name, "--function-name=fails", "--args", `["no good"]`)
	contains(t, stderr, "│ ValueError: no good")
	out, _ = user.mustRun("describe", name, "--function-name=fails", "--invocation-id="+invocationID.FindString(stderr))
	contains(t, out, "FAILED, 2 failed attempts")
	out, _ = user.mustRun("invoke", name, "--function-name=steps", "--args=[5]")
	if out != "4\n" {
		t.Errorf("the last yield is %q", out)
	}
	contains(t, user.mustFail(exitTimedOut, "invoke", name, "--function-name=too_slow"), "timed out")
	if out, _ := user.mustRun("invoke", name, "--function-name=quadruple", "--args=[3]"); strings.TrimSpace(out) != "12" {
		t.Errorf("the children's sum is %s", out)
	}
	contains(t, user.mustFail(exitFailure, "invoke", name, "--function-name=hungry"), "memory")

	running := startForever(t, user, name)
	cancelled := []string{name, "--function-name=forever", "--invocation-id=" + running}
	user.mustRun(append([]string{"cancel"}, cancelled...)...)
	out, _ = user.mustRun(append([]string{"logs", "-f"}, cancelled...)...)
	contains(t, out, "waiting\n", "InvocationCancelledError is raised")
	out, _ = user.mustRun(append([]string{"describe"}, cancelled...)...)
	contains(t, out, "CANCELLED")

	// Code alone changes: nothing is installed again.
	text := strings.Replace(containerTasks, `"version": 1`, `"version": 2`, 1)
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr = user.mustRun("upgrade", dir, name)
	if strings.Contains(stderr, "Collecting") {
		t.Errorf("an upgrade of the code installs the requirements:\n%s", stderr)
	}
	out, _ = user.mustRun("invoke", name, "--function-name=about")
	contains(t, out, `"version": 2`)

	// A worker whose image is gone has a log that says so.
	repository := repositoryOf(t, data)
	forget(t, data, repository)
	stderr = user.mustFail(exitFailure, "invoke", name, "--function-name=double", "--args=[1]")
	contains(t, stderr, "cannot be launched", repository)
	out, _ = user.mustRun("logs", name, "--function-name=double", "--invocation-id="+invocationID.FindString(stderr))
	contains(t, out, "cannot be launched", repository)

	// The next deployment has all that it needs, and undeploy leaves nothing of it.
	user.mustRun("upgrade", dir, name)
	running = startForever(t, user, name)
	installation := namespaceOf(t, p)
	user.mustRun("undeploy", name)
	if left := engineHas(t, "ps", "-aq", "--filter", "label=multinode.namespace="+installation); len(left) > 0 {
		t.Errorf("containers are left of %s: %s", running, left)
	}
	if left := engineHas(t, "volume", "ls", "-q", "--filter", "label=multinode.namespace="+installation); len(left) > 0 {
		t.Errorf("volumes are left: %s", left)
	}
	awaitNoImages(t, data, repository)
	p.stop()
}

// namespaceOf returns what labels the server's containers, one of which runs.
func namespaceOf(t *testing.T, p *process) string {
	t.Helper()
	found := engineHas(t, "ps", "--filter", "network="+networkOf(p), "--format", `{{.Label "multinode.namespace"}}`)
	if len(found) == 0 {
		t.Fatal("nothing runs in the server's network")
	}
	return found[0]
}

// forget removes all images, in the registry and in the engine.
func forget(t *testing.T, data, repository string) {
	t.Helper()
	images := filepath.Join(data, "images")
	manifests, err := filepath.Glob(filepath.Join(images, "repositories", "multinode", "sha256:*"))
	if err != nil || len(manifests) == 0 {
		t.Fatalf("the registry has the images %s, %v", manifests, err)
	}
	// Engines remember the manifests of images that they have dropped for a while:
	// without the layers they are no use.
	layers, err := filepath.Glob(filepath.Join(images, "blobs", "sha256", "*"))
	if err != nil || len(layers) == 0 {
		t.Fatalf("the registry has the layers %s, %v", layers, err)
	}
	for _, file := range append(manifests, layers...) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	for {
		copies := engineHas(t, "images", "-q", repository)
		if len(copies) == 0 {
			return
		}
		// It is refused for the image of a container that is just ending.
		out, err := exec.CommandContext(t.Context(), "docker", append([]string{"rmi", "-f"}, copies...)...).CombinedOutput()
		if t.Context().Err() != nil {
			t.Fatalf("docker rmi: %v: %s", err, out)
		}
	}
}

func networkOf(p *process) string {
	for _, arg := range p.args {
		if network, ok := strings.CutPrefix(arg, "--docker-network="); ok {
			return network
		}
	}
	return ""
}

// repositoryOf is how the server of a data folder names its images.
func repositoryOf(t *testing.T, data string) string {
	t.Helper()
	port, err := os.ReadFile(filepath.Join(data, "registry-port"))
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strings.TrimSpace(string(port)) + "/multinode"
}

// awaitNoImages waits until neither the engine nor the registry has images of versions.
func awaitNoImages(t *testing.T, data, repository string) {
	t.Helper()
	for {
		copies := engineHas(t, "images", "-q", repository)
		tags, err := filepath.Glob(filepath.Join(data, "images", "repositories", "multinode", "code-*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(copies) == 0 && len(tags) == 0 {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("images are left: %s in the engine, %s in the registry", copies, tags)
		}
	}
}
