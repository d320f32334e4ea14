package fakeecs

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// Containers runs each container on the engine that the docker command reaches, on
// this machine's network: it reaches what listens on loopback.
func Containers(c Container) Running {
	r := &engineContainer{container: c, name: "fakeecs-" + randomHex(8), done: make(chan struct{})}
	go r.run()
	return r
}

type engineContainer struct {
	container   Container
	name        string
	done        chan struct{}
	code        int
	outOfMemory bool
	failure     string
}

func (r *engineContainer) run() {
	defer close(r.done)
	defer func() { _, _ = r.docker("rm", "--force", "--volumes", r.name) }()
	if said, err := r.create(); err != nil {
		r.failure = "CannotPullContainerError: " + said
		return
	}
	start := exec.CommandContext(context.Background(), "docker", "start", "--attach", r.name)
	output, input := io.Pipe()
	start.Stdout, start.Stderr = input, input
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			r.container.Log(lines.Text())
		}
		_, _ = io.Copy(io.Discard, output) // a line that is too long
	}()
	_ = start.Run() // the state says how it ended
	_ = input.Close()
	<-printed
	state, err := r.docker("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}", r.name)
	if _, scanErr := fmt.Sscan(state, &r.code, &r.outOfMemory); err != nil || scanErr != nil {
		r.failure = "CannotInspectContainerError: " + state
	}
	r.outOfMemory = r.outOfMemory && r.code == 128+int(syscall.SIGKILL)
}

func (r *engineContainer) create() (said string, err error) {
	c := r.container
	args := []string{
		"create", "--name", r.name, "--network", "host", "--init",
		"--cpus", strconv.FormatFloat(float64(c.CPU)/1024, 'f', 2, 64), "--memory", strconv.Itoa(c.Memory) + "m",
	}
	environment := os.Environ()
	for name, value := range c.Environment {
		args = append(args, "--env", name)
		environment = append(environment, name+"="+value)
	}
	create := exec.CommandContext(context.Background(), "docker", append(append(args, c.Image), c.Command...)...)
	create.Env = environment
	out, err := create.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (r *engineContainer) docker(args ...string) (string, error) {
	out, err := exec.CommandContext(context.Background(), "docker", args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Signal implements Running. The container may not run yet.
func (r *engineContainer) Signal(signal syscall.Signal) {
	for {
		if _, err := r.docker("kill", "--signal", strconv.Itoa(int(signal)), r.name); err == nil {
			return
		}
		select {
		case <-r.done:
			return
		default:
		}
	}
}

// Wait implements Running.
func (r *engineContainer) Wait() (int, bool) { <-r.done; return r.code, r.outOfMemory }

// Failed implements Failing.
func (r *engineContainer) Failed() string { <-r.done; return r.failure }
