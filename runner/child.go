package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// bootstrap starts the harness. It is not "-m multinode._worker" because that
// loads more of Python, and would search the project's folder for the harness.
const bootstrap = "import sys; sys.path[:] = [p for p in sys.path if p]; " +
	"from multinode._worker.harness import main; main()"

// child is the process of the user's code, the leader of its own process group.
type child struct {
	pid                    int
	commands               *os.File
	events, stdout, stderr *pipe
	// exited is closed when the process has ended and its group was killed;
	// status is to be read after that.
	exited chan struct{}
	status syscall.WaitStatus

	mu     sync.Mutex
	reaped bool
}

// startChild starts Python, which boots and then waits for commands.
func startChild(o Options) (*child, error) {
	c := &child{exited: make(chan struct{})}
	// No context: the session decides when the process ends, and by which signal.
	cmd := exec.CommandContext(context.Background(), o.Python, "-c", bootstrap)
	cmd.Dir = o.ProjectDir
	cmd.Env = environment(o.Environment)
	cmd.SysProcAttr = groupAttributes()

	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	outgoing := func() (*pipe, *os.File, error) {
		p, w, err := newPipe()
		if err == nil {
			theirs = append(theirs, w)
		}
		return p, w, err
	}
	var eventsEnd *os.File
	var errs [4]error
	var stdout, stderr *os.File
	c.stdout, stdout, errs[0] = outgoing()
	c.stderr, stderr, errs[1] = outgoing()
	c.events, eventsEnd, errs[2] = outgoing()
	commandsEnd, commands, err := os.Pipe()
	errs[3] = err
	if err := errors.Join(errs[:]...); err != nil {
		c.close()
		return nil, err
	}
	theirs = append(theirs, commandsEnd)
	c.commands = commands
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = []*os.File{commandsEnd, eventsEnd} // descriptors 3 and 4

	if err := c.start(cmd, o.Logger); err != nil {
		c.close()
		return nil, fmt.Errorf("start Python (%s): %w", o.Python, err)
	}
	return c, nil
}

// start starts the process and returns; its end is awaited in the background.
func (c *child) start(cmd *exec.Cmd, log *slog.Logger) error {
	started := make(chan error)
	go func() {
		// On Linux the kernel kills the child when the thread ends that has
		// started it, so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			c.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		if err := awaitExit(c.pid); err != nil {
			log.Warn("cannot wait for the end of the process without reaping it", "error", err)
			_ = cmd.Wait() // not under the lock: it may take long
		}
		c.reap(cmd)
	}()
	return <-started
}

// reap kills what the ended process has left in its group, before the system may
// give its ID to another.
func (c *child) reap(cmd *exec.Cmd) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	_ = cmd.Wait() // what counts is the state
	if cmd.ProcessState != nil {
		c.status, _ = cmd.ProcessState.Sys().(syscall.WaitStatus)
	}
	c.reaped = true
	close(c.exited)
}

// interrupt sends a signal to the main process only: what it does with those it
// has started is its own business.
func (c *child) interrupt(s syscall.Signal) { c.kill(c.pid, s) }

// killAll ends the whole process group.
func (c *child) killAll() { c.kill(-c.pid, syscall.SIGKILL) }

func (c *child) kill(pid int, s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		// It may have ended a moment ago: then there is nothing to do.
		_ = syscall.Kill(pid, s)
	}
}

// finish makes the pipes end once they are empty.
func (c *child) finish() {
	for _, p := range []*pipe{c.stdout, c.stderr, c.events} {
		p.finish()
	}
}

func (c *child) close() {
	for _, p := range []*pipe{c.stdout, c.stderr, c.events} {
		if p != nil {
			_ = p.Close()
		}
	}
	if c.commands != nil {
		_ = c.commands.Close()
	}
}

// writeGroup leaves the ID of the process group in the worker's folder.
func (c *child) writeGroup(dir string) error {
	if dir == "" {
		return nil
	}
	path := filepath.Join(dir, "group")
	if err := os.WriteFile(path+".new", []byte(strconv.Itoa(c.pid)+"\n"), 0o600); err != nil {
		return fmt.Errorf("note the process group: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("note the process group: %w", err)
	}
	return nil
}

// environment adds what makes Python's output arrive whole and at once, where
// the given environment does not say otherwise.
func environment(given []string) []string {
	all := slices.Clone(given)
	for _, setting := range []string{"PYTHONUNBUFFERED=1", "PYTHONIOENCODING=utf-8"} {
		name, _, _ := strings.Cut(setting, "=")
		if !slices.ContainsFunc(given, func(s string) bool { return strings.HasPrefix(s, name+"=") }) {
			all = append(all, setting)
		}
	}
	return all
}
