package docker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// deedVariable makes this program do something in a container.
const deedVariable = "MULTINODE_DOCKERTEST_DEED"

// view is what a worker sees of its container.
type view struct {
	User, Init string
	// Status has lines of /proc/self/status.
	Status map[string]string
	// Writes says of each file what writing it led to.
	Writes  map[string]string
	Project string
	Secret  string
	Home    string
}

func do(order string) {
	word, argument, _ := strings.Cut(order, " ")
	var err error
	switch word {
	case "look":
		err = look()
	case "eat":
		err = eat()
	case "starve":
		err = starve()
	case "breed":
		err = breed()
	case "listen":
		err = listen(argument)
	case "dial":
		err = dial(argument)
	case "keep":
		err = keepEngine(argument)
	case "wait", "stay":
		terms := make(chan os.Signal, 1)
		signal.Notify(terms, syscall.SIGTERM)
		fmt.Fprintln(os.Stderr, "here")
		<-terms
		fmt.Fprintln(os.Stderr, "asked to end")
		for word == "stay" {
			<-terms
		}
	default:
		err = errors.New("unknown deed " + order)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(70)
	}
}

func look() error {
	v := view{
		User: fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid()), Status: map[string]string{}, Writes: map[string]string{},
		Secret: os.Getenv("MULTINODE_NATS_CREDS_TEXT"), Home: os.Getenv("HOME"),
	}
	name, _ := os.ReadFile("/proc/1/comm")
	v.Init = strings.TrimSpace(string(name))
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(name, "Cap") || name == "NoNewPrivs" || name == "Seccomp" {
			v.Status[name] = strings.TrimSpace(value)
		}
	}
	for _, path := range []string{"/x", "/etc/x", "/app/x", "/app/main.py", "/tmp/x"} {
		v.Writes[path] = fmt.Sprint(os.WriteFile(path, []byte("x"), 0o600))
	}
	v.Project = os.Getenv("MULTINODE_PROJECT_DIR")
	return json.NewEncoder(os.Stderr).Encode(v)
}

// eat takes memory until somebody minds.
func eat() error {
	var eaten [][]byte
	for range 4096 {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		eaten = append(eaten, block)
	}
	return fmt.Errorf("%d MiB eaten, and nobody minded", len(eaten))
}

// starve lets a child eat, as the runner lets the user's code, and fails with it.
func starve() error {
	child := exec.Command("/proc/self/exe")
	child.Env = []string{deedVariable + "=eat"}
	return child.Run()
}

// breed starts children until it may not.
func breed() error {
	for n := range 1000 {
		child := exec.Command("/proc/self/exe")
		child.Env = []string{deedVariable + "=wait"}
		if err := child.Start(); err != nil {
			return fmt.Errorf("the limit was met: %w", err)
		}
		if n == 999 {
			return errors.New("1000 children")
		}
	}
	return nil
}

// listen says to the address where it listens itself, and does so until stopped.
func listen(tell string) error {
	conn, err := net.Dial("tcp", tell)
	if err != nil {
		return err
	}
	own, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(own, "0"))
	if err != nil {
		return err
	}
	go func() {
		for {
			if c, err := listener.Accept(); err == nil {
				_ = c.Close()
			}
		}
	}()
	if _, err := fmt.Fprintln(conn, listener.Addr()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, conn) // until the test is over
	return nil
}

func dial(to string) error {
	conn, err := net.DialTimeout("tcp", to, 3*time.Second)
	if err != nil {
		return fmt.Errorf("not reached: %w", err)
	}
	return conn.Close()
}
