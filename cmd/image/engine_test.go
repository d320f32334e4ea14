package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

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

// A NATS server and a gateway from the image, in a real engine: the API answers.
func TestTheImageRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	if out, err := try(t.Context(), "version"); err != nil {
		pythontest.MustOnCI(t, "no container engine: docker version: "+out)
	}
	file := filepath.Join(t.TempDir(), "image.tar")
	name := fmt.Sprintf("test-image-%d", os.Getpid())
	image, err := options{out: file, tag: name, architecture: runtime.GOARCH}.run(t.Context())
	must(t, err)
	engine(t, "load", "-i", file)
	engine(t, "network", "create", name)
	t.Cleanup(func() {
		ctx := context.Background()
		for _, args := range [][]string{{"rm", "-f", "-v", name + "-gateway", name + "-nats"}, {"network", "rm", name}, {"rmi", image}} {
			if out, err := try(ctx, args...); err != nil {
				t.Errorf("docker %v: %s", args, out)
			}
		}
	})
	written, err := natsconfig.Write(t.TempDir(), natsconfig.Options{
		Servers: []natsconfig.Server{{Host: "nats", Port: 4222, ClusterPort: 6222}}, StoreDir: "/var/lib/multinode/nats", MaxStore: 1 << 30,
	})
	must(t, err)
	creds, err := os.ReadFile(written.ControlPlane)
	must(t, err)
	engine(t, "run", "-d", "--name", name+"-nats", "--network", name, "--network-alias", "nats", "--read-only", "--tmpfs", "/var/lib/multinode:uid=65532",
		"-v", readable(t, written.Configs[0])+":/etc/nats.conf:ro", "--entrypoint", "nats-server", image, "-c", "/etc/nats.conf")
	engine(t, "run", "-d", "--name", name+"-gateway", "--network", name, "-p", "127.0.0.1::8470",
		"-e", "MULTINODE_API_KEY=a-key-of-sixteen-characters", "-e", "MULTINODE_NATS_CREDS_TEXT="+string(creds),
		image, "gateway", "--nats-url="+written.URL, "--listen=0.0.0.0:8470")
	address := engine(t, "port", name+"-gateway", "8470/tcp")
	for {
		answer, err := http.Get("http://" + address + "/ready")
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		if running := engine(t, "inspect", "-f", "{{.State.Running}} {{.RestartCount}}", name+"-gateway"); !strings.HasPrefix(running, "true") {
			out, _ := try(t.Context(), "logs", name+"-gateway")
			nats, _ := try(t.Context(), "logs", name+"-nats")
			t.Fatalf("the gateway has ended:\n%s\n%s", out, nats)
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal(err)
		}
	}
	answer, err := http.Get("http://" + address + "/")
	must(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("GET / is answered %s", answer.Status)
	}
	if user := engine(t, "inspect", "-f", "{{.Config.User}}", image); user != "65532:65532" {
		t.Errorf("the user is %s", user)
	}
	if out, err := try(t.Context(), "run", "--rm", "--entrypoint", "sh", image); err == nil {
		t.Errorf("there is a shell in it: %s", out)
	}
}
