package main

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"multinode/dispatcher/provision/fargate/fakeecs"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/internal/pythontest"
	"multinode/natsconfig"
)

// engine runs docker with these arguments, and returns what it printed.
func engine(t *testing.T, args ...string) string {
	t.Helper()
	out, err := try(t.Context(), args...)
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", args[0], err, out)
	}
	return out
}

func try(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// readable gives the user of the image a file of the host's.
func readable(t *testing.T, from string) string {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	to := filepath.Join(t.TempDir(), filepath.Base(from))
	must(t, os.WriteFile(to, text, 0o600))
	must(t, os.Chmod(to, 0o644)) // whatever the umask
	return to
}

// loaded is the image in a real engine, and a network for its containers.
type loaded struct {
	t           *testing.T
	image, name string
}

func load(t *testing.T) loaded {
	t.Helper()
	file, image := save(t)
	if out, err := try(t.Context(), "version"); err != nil {
		pythontest.MustOnCI(t, "no container engine: docker version: "+out)
	}
	l := loaded{t, image, strings.ReplaceAll(image, ":", "-")}
	engine(t, "load", "-i", file)
	engine(t, "network", "create", l.name)
	t.Cleanup(func() {
		for _, args := range [][]string{{"network", "rm", l.name}, {"rmi", image}} {
			if out, err := try(context.Background(), args...); err != nil {
				t.Errorf("docker %v: %s", args, out)
			}
		}
	})
	return l
}

// run starts a container that is there until the end of the test.
func (l loaded) run(name string, args ...string) {
	l.t.Helper()
	l.t.Cleanup(func() { // also of one that was made and does not start
		if out, err := try(context.Background(), "rm", "-f", "-v", l.name+"-"+name); err != nil {
			l.t.Errorf("docker rm: %s", out)
		}
	})
	engine(l.t, append([]string{"run", "-d", "--name", l.name + "-" + name}, args...)...)
}

// until waits for what a container is to do, as long as it runs.
func (l loaded) until(name string, done func() bool) {
	l.t.Helper()
	for !done() {
		if running := engine(l.t, "inspect", "-f", "{{.State.Running}}", l.name+"-"+name); running != "true" {
			out, _ := try(l.t.Context(), "logs", l.name+"-"+name)
			l.t.Fatalf("the container of the %s has ended:\n%s", name, out)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// restrictions are those with which a node in AWS runs its NATS server: all arguments
// but for names and volumes.
func restrictions(t *testing.T) (arguments []string) {
	t.Helper()
	script, err := os.ReadFile("../../infra/aws/nats/start.sh")
	must(t, err)
	_, command, _ := strings.Cut(string(script), "exec docker run --rm ")
	command, _, found := strings.Cut(strings.ReplaceAll(command, "\\\n", " "), ` "$image" `)
	if !found {
		t.Fatal("start.sh runs no container")
	}
	words := strings.Fields(command)
	for i := 0; i < len(words); i++ {
		if slices.Contains([]string{"--name", "--network", "--volume"}, words[i]) {
			i++
			continue
		}
		arguments = append(arguments, words[i])
	}
	return arguments
}

// The programs of the image run in a real engine: a NATS server, and a gateway whose
// API answers. There is nothing else in it.
func TestTheImageRuns(t *testing.T) {
	l := load(t)
	written, err := natsconfig.Write(t.TempDir(), natsconfig.Options{
		Servers: []natsconfig.Server{{Host: "nats", Port: 4222, ClusterPort: 6222}}, StoreDir: "/var/lib/multinode/nats", MaxStore: 1 << 30,
	})
	must(t, err)
	creds, err := os.ReadFile(written.ControlPlane)
	must(t, err)
	l.run("nats", slices.Concat([]string{"--network", l.name, "--network-alias", "nats", "--tmpfs", "/var/lib/multinode:uid=65532",
		"-v", readable(t, written.Configs[0]) + ":/etc/nats.conf:ro"}, restrictions(t), []string{l.image, "--config", "/etc/nats.conf"})...)
	l.until("nats", func() bool { return strings.Contains(engine(t, "logs", l.name+"-nats"), "Server is ready") })
	l.run("gateway", "--network", l.name, "-p", "127.0.0.1::8470",
		"-e", "MULTINODE_API_KEY=a-key-of-sixteen-characters", "-e", "MULTINODE_NATS_CREDS_TEXT="+string(creds),
		l.image, "gateway", "--nats-url="+written.URL, "--listen=0.0.0.0:8470")
	address := "http://" + engine(t, "port", l.name+"-gateway", "8470/tcp")
	answers := func(path string) bool {
		answer, err := http.Get(address + path)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}
	l.until("gateway", func() bool { return answers("/ready") })
	if !answers("/") {
		t.Error("GET / is not answered")
	}
	if user := engine(t, "inspect", "-f", "{{.Config.User}}", l.image); user != "65532:65532" {
		t.Errorf("the user is %s", user)
	}
	if out, err := try(t.Context(), "run", "--rm", "--entrypoint", "sh", l.image); err == nil {
		t.Errorf("there is a shell in it: %s", out)
	}
}

// A dispatcher finds in the image all that it needs to run workers on Fargate: there
// is no Python and no shell.
func TestTheImageDispatches(t *testing.T) {
	l := load(t)
	ecs := fakeecs.New(fakeecs.Options{})
	t.Cleanup(ecs.Close)
	o := embeddedtest.Options(t)
	server := embeddedtest.StartWith(t, o)
	creds, err := server.ClientCredentials("dispatcher", time.Time{})
	must(t, err)
	authority, err := os.ReadFile(embedded.AuthorityFile(o.DataDir))
	must(t, err)
	l.run("dispatcher", "--network", "host", "-e", "AWS_ENDPOINT_URL="+ecs.URL, "-e", "AWS_ACCESS_KEY_ID=key", "-e", "AWS_SECRET_ACCESS_KEY=secret",
		"-e", "MULTINODE_NATS_CREDS_TEXT="+string(creds), "-e", "MULTINODE_AUTHORITY_TEXT="+string(authority), l.image,
		"dispatcher", "--json", "--nats-url="+server.URL(), "--api-url=http://127.0.0.1:1", "--provisioner=fargate", "--repository=127.0.0.1:1/projects",
		"--fargate-cluster="+fakeecs.ClusterARN, "--fargate-subnets=subnet-1", "--fargate-arm64="+strconv.FormatBool(runtime.GOARCH == "arm64"))
	l.until("dispatcher", func() bool {
		return strings.Contains(engine(t, "logs", l.name+"-dispatcher"), `"nats_url"`)
	})
	if ecs.Calls("ListTasks") == 0 {
		t.Error("it has not looked for its tasks")
	}
}
