package published

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/pythontest"
)

// containers is a provisioner of the kind that the published worker expects: it
// starts start-multinode-worker with the project in /app, which it does by a
// file system of the worker's own. All it knows is what a container engine would
// know: when the process ended, and how.
type containers struct {
	python string
	root   string // the folder of the workers' roots
	exits  chan provision.Exit
	// patience cuts a grace short, where it is above 0.
	patience time.Duration

	mu      sync.Mutex
	workers map[string]*container
	log     lockedBuffer
}

type container struct {
	command *exec.Cmd
	gone    chan struct{}
	key     string
}

func newContainers(t *testing.T, python string) *containers {
	t.Helper()
	c := &containers{
		python: python, root: t.TempDir(), exits: make(chan provision.Exit, 100), workers: map[string]*container{},
	}
	if out, err := c.inside("true", t.TempDir(), t.TempDir()).CombinedOutput(); err != nil {
		pythontest.MustOnCI(t, fmt.Sprintf("this machine makes no mount namespaces: %v: %s", err, out))
	}
	t.Cleanup(func() {
		for id := range c.workers {
			_ = c.Stop(context.Background(), id, multinode.Worker{}, 0)
		}
	})
	return c
}

// enter makes a root that is the machine's, with the project in /app, and becomes
// the command in it. What it mounts goes with its namespace.
const enter = `set -e
mount -t tmpfs none "$1"
for d in /* ; do
  if [ -L "$d" ]; then cp -P "$d" "$1$d"
  elif [ -d "$d" ] && [ "$d" != /app ]; then mkdir "$1$d"; mount --rbind "$d" "$1$d"
  fi
done
mkdir "$1/app"
mount --bind "$2" "$1/app"
root=$1
shift 2
exec chroot "$root" "$@"`

func (c *containers) inside(program, root, project string) *exec.Cmd {
	options := []string{"--mount"}
	if os.Geteuid() != 0 {
		options = []string{"--mount", "--user", "--map-root-user"}
	}
	return exec.Command("unshare", append(options, "sh", "-c", enter, "sh", root, project, program)...)
}

func (c *containers) Place() string { return "containers:" + c.root }

func (c *containers) Launch(_ context.Context, i provision.Intent) (multinode.Worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	handle := multinode.Worker{Kind: "docker", ID: i.ExecutionID}
	if _, launched := c.workers[i.ExecutionID]; launched {
		return handle, nil
	}
	root := filepath.Join(c.root, i.ExecutionID)
	if err := os.Mkdir(root, 0o700); err != nil {
		return handle, err
	}
	command := c.inside(filepath.Join(filepath.Dir(c.python), "start-multinode-worker"), root, i.Code.ProjectDir)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "PYTHONDONTWRITEBYTECODE=1", "LANG=C.UTF-8"}
	for name, value := range i.Environment {
		command.Env = append(command.Env, name+"="+value)
	}
	command.Stdout, command.Stderr = &c.log, &c.log
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return handle, err
	}
	w := &container{command: command, gone: make(chan struct{}), key: i.ExecutionKey}
	c.workers[i.ExecutionID] = w
	go func() {
		err := command.Wait()
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		close(w.gone)
		c.exits <- provision.Exit{ExecutionID: i.ExecutionID, Detail: fmt.Sprint(err)}
	}()
	return handle, nil
}

func (c *containers) find(id string) *container {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.workers[id]
}

func (c *containers) Stop(ctx context.Context, id string, _ multinode.Worker, grace time.Duration) error {
	w := c.find(id)
	if w == nil {
		return nil
	}
	if c.patience > 0 {
		grace = min(grace, c.patience)
	}
	if grace > 0 {
		_ = syscall.Kill(w.command.Process.Pid, syscall.SIGTERM)
		select {
		case <-w.gone:
		case <-time.After(grace):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	_ = syscall.Kill(-w.command.Process.Pid, syscall.SIGKILL)
	<-w.gone
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.workers, id)
	return nil
}

func (c *containers) List(context.Context) ([]provision.Worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []provision.Worker
	for id, w := range c.workers {
		alive := true
		select {
		case <-w.gone:
			alive = false
		default:
		}
		all = append(all, provision.Worker{
			ExecutionID: id, ExecutionKey: w.key, Handle: multinode.Worker{Kind: "docker", ID: id}, Started: true, Alive: alive,
		})
	}
	return all, nil
}

func (c *containers) Exits() <-chan provision.Exit { return c.exits }
func (c *containers) Close() error                 { return nil }

// kill ends a worker as the loss of its machine does, but seen.
func (c *containers) kill(id string) error {
	w := c.find(id)
	if w == nil {
		return errors.New("there is no worker " + id)
	}
	return syscall.Kill(-w.command.Process.Pid, syscall.SIGKILL)
}

func (c *containers) output() string { return c.log.String() }

// lockedBuffer is written by the workers and read by the test.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// alive returns the workers that still run.
func (c *containers) alive() []string {
	all, _ := c.List(context.Background())
	var ids []string
	for _, w := range all {
		if w.Alive {
			ids = append(ids, w.ExecutionID)
		}
	}
	return ids
}
