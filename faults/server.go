package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"multinode/client"
)

// command is a program that the suite starts again and again.
type command struct {
	name      string
	path      string
	arguments []string
	log       string

	mu      sync.Mutex
	process *os.Process
	ended   chan struct{}
}

// start starts the program, and returns its standard output.
func (c *command) start(environment []string) (*bufio.Reader, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.CommandContext(context.Background(), c.path, c.arguments...)
	cmd.Env, cmd.Stderr = environment, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // no Ctrl-C of ours
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	ended := make(chan struct{})
	c.mu.Lock()
	c.process, c.ended = cmd.Process, ended
	c.mu.Unlock()
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	return bufio.NewReader(out), nil
}

// gone is closed when the program has ended.
func (c *command) gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	return c.ended
}

func (c *command) running() bool {
	select {
	case <-c.gone():
		return false
	default:
		return true
	}
}

// signal sends a signal, if the program lives.
func (c *command) signal(s syscall.Signal) {
	if c.running() {
		_ = c.process.Signal(s)
	}
}

// kill ends the program as kill -9 does, and waits.
func (c *command) kill() {
	c.signal(syscall.SIGKILL)
	<-c.gone()
}

// stop asks the program to end, and kills it where that takes too long.
func (c *command) stop() error {
	c.signal(syscall.SIGTERM)
	select {
	case <-c.gone():
		return nil
	case <-time.After(stopPatience):
		c.kill()
		return fmt.Errorf("%s did not end within %v", c.name, stopPatience)
	}
}

const (
	// Both are generous: a machine may have more to do than it can.
	stopPatience  = 3 * time.Minute
	startPatience = 3 * time.Minute
)

// tail returns the last lines of the program's log.
func (c *command) tail(lines int) string {
	text, _ := os.ReadFile(c.log)
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// greeting is what a server prints when it serves.
type greeting struct {
	URL     string `json:"url"`
	Key     string `json:"api_key"`
	NATSURL string `json:"nats_url"`
}

// server is a process of the system under test: `multinode up`, a gateway, a
// dispatcher, or a NATS server.
type server struct {
	command
	greeting
	data string // empty where it has none that is looked at
	api  *client.Client
	// listens is set for what prints no greeting: the address to knock at.
	listens string
}

var errDied = errors.New("it died before it served")

// newServer prepares a process of our binary with a data folder. Environments take
// long to make and are all alike: they are shared.
func (w *workshop) newServer(name, dir string, arguments ...string) (*server, error) {
	s := &server{data: filepath.Join(dir, name)}
	s.command = command{
		name: name, path: w.binary, log: filepath.Join(dir, name+".log"),
		arguments: append(arguments, "--json", "--verbose", "--data-dir", s.data),
	}
	if err := os.MkdirAll(filepath.Join(s.data, "builds"), 0o700); err != nil {
		return nil, err
	}
	return s, os.Symlink(w.environments, filepath.Join(s.data, "builds", "environments"))
}

// serveAPI makes it one that serves the API. Its port is fixed beforehand.
func (s *server) serveAPI() error {
	address, err := freePort()
	if err != nil {
		return err
	}
	s.arguments = append(s.arguments, "--listen", address)
	s.URL = "http://" + address
	s.api, err = client.New(client.Options{URL: s.URL, Key: apiKey, Retry: client.Retry{Attempts: 1}})
	return err
}

// newUp prepares `multinode up`.
func (w *workshop) newUp(dir string) (*server, error) {
	s, err := w.newServer("up", dir, "up")
	if err != nil {
		return nil, err
	}
	nats, err := freePort()
	if err != nil {
		return nil, err
	}
	s.arguments = append(s.arguments, "--nats-listen", nats)
	return s, s.serveAPI()
}

// apiKey is the servers'.
const apiKey = "mn-fault-suite"

// serve starts the server and returns when it serves, or errDied.
func (s *server) serve(environment []string) error {
	out, err := s.start(environment)
	if err != nil {
		return err
	}
	if s.listens != "" {
		return s.knock()
	}
	said := make(chan error, 1)
	go func() {
		said <- json.NewDecoder(out).Decode(&s.greeting)
	}()
	select {
	case err = <-said:
	case <-time.After(startPatience):
		s.kill()
		return fmt.Errorf("%s did not serve within %v:\n%s", s.name, startPatience, s.tail(20))
	}
	if err != nil {
		<-s.gone()
		return errDied
	}
	return nil
}

// knock waits until something listens.
func (s *server) knock() error {
	for until := time.Now().Add(startPatience); time.Now().Before(until) && s.running(); time.Sleep(breath) {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.listens)
		if err == nil {
			return conn.Close()
		}
	}
	return fmt.Errorf("%s does not listen:\n%s", s.name, s.tail(20))
}

var portsTaken sync.Map

// freePort finds an address on the loopback interface that nobody listens on. The
// range is not that of outgoing connections where those have the usual one: a
// client that keeps trying to connect to a server that is down would sooner or
// later be given the server's own port, and be connected to itself.
func freePort() (string, error) {
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 2000+ports.next(8000))
		if _, taken := portsTaken.LoadOrStore(address, true); taken {
			continue
		}
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
		if err == nil {
			return address, listener.Close()
		}
	}
	return "", errors.New("no port is free")
}
