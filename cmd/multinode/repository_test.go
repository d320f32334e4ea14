package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"multinode/images/imagestest"
	"multinode/images/registry"
)

// repositoryTasks need nothing but Python, and hold until a file is in their container.
const repositoryTasks = `
import os, time
from multinode import Multinode

mn = Multinode()

@mn.function()
def add(a, b):
    print("adding", a, b, flush=True)
    return a + b

@mn.function()
def held():
    print("waiting", flush=True)
    while not os.path.exists("/tmp/go"):
        time.sleep(0.05)
    return "held"
`

// guarded is a repository on loopback whose registry asks for a login, and a folder of
// Docker's settings for it.
type guarded struct {
	t                    *testing.T
	host, name, settings string
}

const repositoryPassword = "the-password"

func serveGuarded(t *testing.T) guarded {
	t.Helper()
	store, err := registry.New(registry.Options{Dir: t.TempDir(), Password: repositoryPassword})
	if err != nil {
		t.Fatal(err)
	}
	host := "127.0.0.1:" + strconv.Itoa(freePorts(t, 1)[0])
	listener, err := registry.Listen(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- store.Serve(t.Context(), listener) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return guarded{t, host, host + "/team/multinode", t.TempDir()}
}

// login writes the password down as `docker login` does.
func (g guarded) login(password string) {
	g.t.Helper()
	auth := base64.StdEncoding.EncodeToString([]byte("operator:" + password))
	text, err := json.Marshal(map[string]any{"auths": map[string]any{g.host: map[string]any{"auth": auth}}})
	if err != nil {
		g.t.Fatal(err)
	}
	path := filepath.Join(g.settings, "config.json")
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // readers see all of it, or none
		g.t.Fatal(err)
	}
}

// sharedEngine starts a gateway and dispatchers that keep images there, and share the
// engine and the network of its containers.
func sharedEngine(t *testing.T, g guarded) (f *fleet, network string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	network = containerNetwork(t, func() string { return g.name })
	return site{servers: 1, gateways: 1, processes: 2, env: []string{"DOCKER_CONFIG=" + g.settings}, dispatch: []string{
		"--provisioner=docker", "--docker-network=" + network, "--repository=" + g.name,
		"--base-image=" + imagestest.ServeBase(t), "--image-program=" + path,
	}}.start(t), network
}

// Dispatchers by themselves share an engine, and a repository that asks for a login: what
// one of them ran when it was killed ends under the other.
func TestDispatchersShareAnEngineAndARepositoryWithALogin(t *testing.T) {
	if testing.Short() {
		t.Skip("runs containers")
	}
	t.Parallel()
	imagestest.RequireEngine(t)
	repository := serveGuarded(t)
	repository.login("another")
	f, network := sharedEngine(t, repository)
	user := newShell(t, nil)
	user.poll = 50 * time.Millisecond
	user.mustRun("login", "--url="+f.balancer.URL, "--key="+fleetKey)
	const name = "--project-name=p"

	// A wrong password fails no deployment: it says what is wrong, and goes on once the
	// password is right.
	refused := false
	user.stderr = writerFunc(func(text []byte) {
		if !refused && strings.Contains(string(text), repository.name+": the registry refuses access (401): check its credentials") {
			refused = true
			repository.login(repositoryPassword)
		}
	})
	_, stderr := user.mustRun("deploy", project(t, map[string]string{"main.py": repositoryTasks}), name)
	contains(t, stderr, "Pushing the image", "Prepared version ver-")
	if !refused {
		t.Errorf("the deployment does not say that the password is wrong:\n%s", stderr)
	}
	user.stderr = io.Discard

	// Nor does it fail an invocation, where the engine is refused the image.
	repository.login("another")
	out, _ := user.mustRun("invoke", "--detach", name, "--function-name=add", "--args=[1, 2]")
	of := []string{name, "--function-name=add", "--invocation-id=" + strings.TrimSpace(out)}
	waiting := regexp.MustCompile("status    PENDING: .*unauthorized.*check the login")
	eventually(t, "it says why it waits", func() bool {
		return waiting.MatchString(first(user.mustRun(append([]string{"describe"}, of...)...)))
	})
	repository.login(repositoryPassword)
	contains(t, first(user.mustRun(append([]string{"logs", "-f"}, of...)...)), "adding 1 2\n")
	contains(t, first(user.mustRun(append([]string{"describe"}, of...)...)), "status    SUCCEEDED\n", "output    3\n")

	// The first has the invocation, as it is alone; the second goes on with it.
	f.dispatchers[1].stop()
	of = []string{name, "--function-name=held", "--invocation-id=" + startWaiting(t, user, name, "held")}
	f.dispatchers[1].start()
	f.dispatchers[0].kill()
	worker := executionID.FindString(first(user.mustRun(append([]string{"describe"}, of...)...)))
	container := engineHas(t, "ps", "-q", "--filter", "network="+network, "--filter", "name="+worker)
	if len(container) != 1 {
		t.Fatalf("the containers of %s are %s", worker, container)
	}
	// Detached: the container may end before whoever wrote the file does.
	engineHas(t, "exec", "-d", container[0], "python3", "-c", "open('/tmp/go', 'w')")
	user.mustRun(append([]string{"logs", "-f"}, of...)...) // until it has ended
	out, _ = user.mustRun(append([]string{"describe"}, of...)...)
	contains(t, out, "status    SUCCEEDED\n", "output    \"held\"\n", worker)
	if strings.Contains(out, "Execution 2") {
		t.Errorf("the end of a dispatcher used up a try:\n%s", out)
	}

	user.mustRun("undeploy", name)
	eventually(t, "nothing is left in the engine", func() bool {
		return len(engineHas(t, "ps", "-aq", "--filter", "network="+network)) == 0 && len(engineHas(t, "images", "-q", repository.name)) == 0
	})
	f.dispatchers[1].stop()
	f.gateways[0].stop()
}

var executionID = regexp.MustCompile(`exe-[0-9a-f]{32}`)
