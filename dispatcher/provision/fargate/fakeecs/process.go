package fakeecs

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Container is what a Runner is to run.
type Container struct {
	// StartedBy is that of the task.
	StartedBy   string
	Image       string
	Command     []string
	Environment map[string]string
	// CPU is in units of 1/1024 virtual CPU, Memory in MiB.
	CPU, Memory int
	// Log takes a line of what the container prints.
	Log func(line string)
}

// Runner starts a container.
type Runner func(Container) Running

// Running is a container that runs, or did.
type Running interface {
	// Signal is SIGTERM or SIGKILL.
	Signal(syscall.Signal)
	// Wait returns the exit code, 137 after SIGKILL, and whether memory was the
	// reason.
	Wait() (code int, outOfMemory bool)
}

// Failing is a Running that may turn out not to have started.
type Failing interface {
	Running
	// Failed returns why, after Wait; empty where it has run.
	Failed() string
}

func (s *Server) container(t *task) Container {
	d := t.definition.ContainerDefinitions[0]
	c := Container{StartedBy: t.request.StartedBy, Image: d.Image, Command: d.Command, Environment: map[string]string{}}
	for _, p := range d.Environment {
		c.Environment[p.Name] = p.Value
	}
	if o := t.request.Overrides; o != nil {
		for _, container := range o.Containers {
			for _, p := range container.Environment {
				c.Environment[p.Name] = p.Value
			}
		}
	}
	v := t.view(false)
	c.CPU, _ = strconv.Atoi(v.CPU)
	c.Memory, _ = strconv.Atoi(v.Memory)
	options, _ := d.LogConfiguration["options"].(map[string]any)
	prefix, _ := options["awslogs-stream-prefix"].(string)
	stream := prefix + "/" + d.Name + "/" + t.arn[strings.LastIndexByte(t.arn, '/')+1:]
	c.Log = func(line string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logs[stream] = append(s.logs[stream], line)
	}
	return c
}

// Stub is a container without a process. It ends when it is signalled, or told to.
type Stub struct {
	Container
	once sync.Once
	done chan struct{}
	code int
	oom  bool
}

// Stubs runs nothing: each container ends when it is signalled.
func Stubs(c Container) Running { return NewStub(c) }

// NewStub returns a stub that waits for its end.
func NewStub(c Container) *Stub { return &Stub{Container: c, done: make(chan struct{})} }

// End ends the stub.
func (s *Stub) End(code int, outOfMemory bool) {
	s.once.Do(func() { s.code, s.oom = code, outOfMemory; close(s.done) })
}

// Signal implements Running.
func (s *Stub) Signal(signal syscall.Signal) { s.End(128+int(signal), false) }

// Wait implements Running.
func (s *Stub) Wait() (int, bool) { <-s.done; return s.code, s.oom }

// Processes runs the command for each container, and kills all that carries the
// mark of its task when the command ends, as the end of a container does. It
// finds what to kill in /proc: it is for Linux.
func Processes(command ...string) Runner {
	return func(c Container) Running {
		p := &process{container: c, done: make(chan struct{})}
		cmd := exec.CommandContext(context.Background(), command[0], command[1:]...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		for name, value := range c.Environment {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		// A file, not a pipe: children that hold it do not keep Wait from returning.
		output, err := os.CreateTemp("", "fakeecs-*.log")
		if err == nil {
			cmd.Stdout, cmd.Stderr = output, output
			err = cmd.Start()
		}
		if err != nil {
			go c.Log(err.Error()) // the lock is held by who starts it
			p.code = 127
			close(p.done)
			return p
		}
		p.process = cmd.Process
		go p.watch(cmd, output)
		return p
	}
}

type process struct {
	container Container
	process   *os.Process
	done      chan struct{}
	code      int
}

func (p *process) watch(cmd *exec.Cmd, output *os.File) {
	defer close(p.done)
	_ = cmd.Wait()
	p.code = cmd.ProcessState.ExitCode()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		p.code = 128 + int(status.Signal())
	}
	killMarked(p.container.StartedBy)
	_ = output.Close()
	printed, _ := os.ReadFile(output.Name())
	_ = os.Remove(output.Name())
	lines := bufio.NewScanner(bytes.NewReader(printed))
	for lines.Scan() {
		p.container.Log(lines.Text())
	}
}

func (p *process) Signal(signal syscall.Signal) {
	if p.process != nil {
		_ = p.process.Signal(signal)
	}
}

func (p *process) Wait() (int, bool) { <-p.done; return p.code, false }

// killMarked kills every process with a variable that has this value, until none
// is left.
func killMarked(value string) {
	for {
		found := false
		files, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, file := range files {
			environ, err := os.ReadFile(file)
			if err != nil || !bytes.Contains(append(environ, 0), []byte("="+value+"\x00")) {
				continue
			}
			var pid int
			for _, digit := range filepath.Base(filepath.Dir(file)) {
				pid = pid*10 + int(digit-'0')
			}
			if pid != os.Getpid() && !errors.Is(syscall.Kill(pid, syscall.SIGKILL), syscall.ESRCH) {
				found = true
			}
		}
		if !found {
			return
		}
	}
}
