package docker_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"multinode"
	"multinode/dispatcher/provision/docker"
)

// ownEngine is an engine that its test may end. With all that it starts, writes and
// mounts it lives in namespaces and in a /run of its own, which go when its keeper
// does: other engines on this machine notice nothing, and nothing is left.
type ownEngine struct {
	*client.Client
	log     string
	orders  io.Writer
	answers *bufio.Reader
}

// newOwnEngine is for Linux, root, and where dockerd is.
func newOwnEngine(t *testing.T) *ownEngine {
	t.Helper()
	_, err := exec.LookPath("dockerd")
	if err == nil {
		err = exec.Command("unshare", append(apart(), "true")...).Run()
	}
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("CI needs an engine of its own: %v", err)
	} else if err != nil {
		t.Skipf("an engine of one's own needs Linux, root and dockerd: %v", err)
	}
	dir, err := os.MkdirTemp("", "engine") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e := &ownEngine{log: filepath.Join(dir, "log")}
	e.keep(t, filepath.Join(dir, "docker.sock"))
	return e
}

// apart are the options of unshare for what is to have its own namespaces.
func apart() []string {
	return []string{"--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"}
}

// keep starts the keeper.
func (e *ownEngine) keep(t *testing.T, socket string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(e.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	keeper := exec.Command("unshare", append(apart(), self)...)
	keeper.Env = append(os.Environ(), deedVariable+"=keep "+socket)
	keeper.Stderr = log
	orders, err := keeper.StdinPipe() // closed with this process, whose end ends the keeper
	if err != nil {
		t.Fatal(err)
	}
	answers, err := keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = orders.Close()
		_ = keeper.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(e.log)
			t.Logf("the engine's log:\n%s", text)
		}
	})
	e.orders, e.answers = orders, bufio.NewReader(answers)
	e.Client, err = client.NewClientWithOpts(client.WithHost("unix://"+socket), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
}

// start returns when the engine answers.
func (e *ownEngine) start(t *testing.T, liveRestore bool) {
	t.Helper()
	e.order(t, fmt.Sprintf("start --live-restore=%t", liveRestore))
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for {
		_, err := e.Ping(ctx)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the engine does not start: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// end returns when the engine is gone.
func (e *ownEngine) end(t *testing.T, by syscall.Signal) {
	t.Helper()
	e.order(t, fmt.Sprintf("end %d", by))
}

// endWorker ends a worker behind the engine's back.
func (e *ownEngine) endWorker(t *testing.T, pid int) {
	t.Helper()
	e.order(t, fmt.Sprintf("kill %d", pid))
}

func (e *ownEngine) order(t *testing.T, order string) {
	t.Helper()
	if _, err := fmt.Fprintln(e.orders, order); err != nil {
		t.Fatal(err)
	}
	if answer, err := e.answers.ReadString('\n'); err != nil || answer != "done\n" {
		t.Fatalf("the engine's keeper answered %q to %q: %v", answer, order, err)
	}
}

// stage returns a provisioner on the engine.
func (e *ownEngine) stage(t *testing.T) stage {
	t.Helper()
	id, err := importTests(e.Client)
	if err != nil {
		t.Fatal(err)
	}
	s := site{namespace: multinode.NewID("test"), image: id}
	return stage{s, e.open(t, s)}
}

func (e *ownEngine) open(t *testing.T, s site) *docker.Provisioner {
	t.Helper()
	o := s.options(0)
	o.Host = e.DaemonHost()
	return s.open(t, o)
}

// keepEngine is the first process of an engine's namespaces. It starts and ends the
// engine as it is told, and with it goes everything.
func keepEngine(socket string) error {
	// A containerd of the machine's own would be used, and what it runs mixed up.
	if out, err := exec.Command("mount", "-t", "tmpfs", "tmpfs", "/run").CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w", out, err)
	}
	if err := os.WriteFile("/run/daemon.json", []byte("{}"), 0o600); err != nil { // that of the machine is not meant
		return err
	}
	gone := reap()
	engine := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		word, argument, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "start":
			dockerd := exec.Command("dockerd", "--host", "unix://"+socket, "--config-file", "/run/daemon.json",
				"--data-root", "/run/docker-data", "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid",
				"--bridge", "none", "--exec-opt", "native.cgroupdriver=cgroupfs", argument)
			dockerd.Stdout, dockerd.Stderr = os.Stderr, os.Stderr
			if err := dockerd.Start(); err != nil {
				return err
			}
			engine = dockerd.Process.Pid
		case "end":
			var by syscall.Signal
			if _, err := fmt.Sscan(argument, &by); err != nil {
				return err
			}
			if err := syscall.Kill(engine, by); err != nil {
				return err
			}
			for pid := range gone {
				if pid == engine {
					break
				}
			}
		case "kill":
			pid, err := strconv.Atoi(argument)
			if err == nil {
				err = syscall.Kill(pid, syscall.SIGKILL)
			}
			if err != nil {
				return err
			}
		}
		fmt.Println("done")
	}
	return nil
}

// reap takes in the dead of the namespace, as its first process has to, and tells
// who they were.
func reap() <-chan int {
	gone := make(chan int, 1024) // more than a test lets die
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go func() {
		for range children {
			for {
				pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
				if err != nil || pid <= 0 {
					break
				}
				gone <- pid
			}
		}
	}()
	return gone
}
