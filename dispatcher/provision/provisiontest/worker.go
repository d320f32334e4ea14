package provisiontest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Variables that turn the test binary into a worker.
const (
	addressVariable = "MULTINODE_PROVISIONTEST_ADDRESS"
	workerVariable  = "MULTINODE_PROVISIONTEST_WORKER"
	roleVariable    = "MULTINODE_PROVISIONTEST_ROLE"
)

// A process of a worker is the runner or something that the user's code started.
const (
	runnerRole = "runner"
	childRole  = "child"
)

// hello is the first thing that a worker's process says.
type hello struct {
	ExecutionID string            `json:"execution_id"`
	Role        string            `json:"role"`
	PID         int               `json:"pid"`
	Directory   string            `json:"directory"`
	Environment map[string]string `json:"environment"`
}

// Main runs the tests, or a worker where this process was started as one.
func Main(m *testing.M) {
	if os.Getenv(addressVariable) == "" {
		os.Exit(m.Run())
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}

// work obeys the suite until it says otherwise, or has gone.
func work() error {
	role := os.Getenv(roleVariable)
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	var dialer net.Dialer
	conn, err := dialer.DialContext(context.Background(), "tcp", os.Getenv(addressVariable))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	w := &obedient{conn: conn, ignoresTerm: role == childRole}
	directory, _ := os.Getwd()
	environment := map[string]string{}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	err = json.NewEncoder(conn).Encode(hello{
		ExecutionID: os.Getenv(workerVariable),
		Role:        role,
		PID:         os.Getpid(),
		Directory:   directory,
		Environment: environment,
	})
	if err != nil {
		return err
	}
	go w.obeySignals(terms)
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if err := w.obey(lines.Text()); err != nil {
			return err
		}
	}
	return nil
}

// obedient is a worker's process.
type obedient struct {
	mu          sync.Mutex
	conn        net.Conn
	ignoresTerm bool
}

func (w *obedient) say(line string) {
	_, _ = fmt.Fprintln(w.conn, line)
}

func (w *obedient) obeySignals(terms <-chan os.Signal) {
	for range terms {
		w.mu.Lock()
		w.say("term")
		if !w.ignoresTerm {
			os.Exit(0)
		}
		w.mu.Unlock()
	}
}

func (w *obedient) obey(order string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	word, argument, _ := strings.Cut(order, " ")
	switch word {
	case "ping":
	case "ignore-term":
		w.ignoresTerm = true
	case "print":
		fmt.Fprintln(os.Stderr, argument)
	case "spawn":
		if err := spawn(argument); err != nil {
			return err
		}
	case "exit":
		code, err := strconv.Atoi(argument)
		if err != nil {
			return err
		}
		os.Exit(code) //nolint:gocritic // the lock ends with the process
	case "die":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	default:
		return errors.New("unknown order: " + order)
	}
	w.say("ok")
	return nil
}

// spawn starts a process as user code might: in the worker's own process group,
// in a new one, in a new session, or in a new session without the environment.
func spawn(how string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.CommandContext(context.Background(), self)
	command.Env = append(os.Environ(), roleVariable+"="+childRole)
	switch how {
	case "group":
		command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	case "session":
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	case "bare":
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		command.Env = []string{roleVariable + "=" + childRole}
		for _, name := range []string{addressVariable, workerVariable} {
			command.Env = append(command.Env, name+"="+os.Getenv(name))
		}
	}
	return command.Start()
}
