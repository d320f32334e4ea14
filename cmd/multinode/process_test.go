package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"multinode/internal/testlog"
)

// serveVariable makes the test program a server of its own process: it names the
// folder of Python environments.
const serveVariable = "MULTINODE_TEST_SERVE"

func serveAlone(environments string) int {
	interrupts := make(chan os.Signal, 4)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	return run(context.Background(), os.Args[1:], console{
		in: strings.NewReader(""), out: os.Stdout, err: os.Stderr, getenv: os.Getenv,
		interrupts: interrupts, environments: environments, poll: time.Millisecond,
	})
}

// process is a program beside the test, which can be started again and again.
type process struct {
	t    *testing.T
	path string
	args []string
	env  []string

	command *exec.Cmd
	ended   chan error
}

// multinode describes a server of this program; start starts it.
func multinodeProcess(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &process{t: t, path: self, args: append(args, "--json"), env: append(env, serveVariable+"="+environments)}
}

// launch starts the program, whose stdout is returned.
func (p *process) launch() io.Reader {
	p.t.Helper()
	p.command = exec.Command(p.path, p.args...)
	p.command.Env = append(os.Environ(), p.env...)
	p.command.Stderr = testlog.New(p.t)
	read, write := io.Pipe()
	p.command.Stdout = write
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan error, 1)
	go func(command *exec.Cmd, ended chan error) {
		err := command.Wait()
		_ = write.Close()
		ended <- err
	}(p.command, p.ended)
	p.t.Cleanup(p.kill)
	return read
}

// start starts a server and returns what it greets with.
func (p *process) start() (facts map[string]string) {
	p.t.Helper()
	out := p.launch()
	if err := json.NewDecoder(out).Decode(&facts); err != nil {
		p.t.Fatalf("%s did not start: %v", strings.Join(p.args[:1], " "), err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return facts
}

// kill ends it as a crash does.
func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.wait()
}

// stop asks it to end, and waits for that.
func (p *process) stop() {
	p.t.Helper()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	var exit *exec.ExitError
	// A nats-server ends with code 1 after a SIGTERM.
	if err := p.wait(); err != nil && (!errors.As(err, &exit) || filepath.Base(p.path) != natsServer) {
		p.t.Errorf("%s ended with %v", strings.Join(p.args, " "), err)
	}
}

func (p *process) wait() error {
	err := <-p.ended
	p.ended <- err
	return err
}

const natsServer = "nats-server"

// buildNATS returns the path of a stock nats-server.
var buildNATS = sync.OnceValues(func() (string, error) {
	path := filepath.Join(environments, natsServer)
	out, err := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return path, nil
})
