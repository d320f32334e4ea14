package aws_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode/infra/aws/internal/terraform"
	"multinode/internal/testlog"
)

// container is one of a task definition.
type container struct{ types.ContainerDefinition }

// definition returns the only container of a task definition, which has nothing that
// ECS does not know.
func definition(t *testing.T, p *terraform.Plan, address string) container {
	t.Helper()
	var all []types.ContainerDefinition
	text := resource(t, p, address).AsValueSlice()[0].GetAttr("container_definitions").AsString()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	must(t, decoder.Decode(&all))
	if len(all) != 1 {
		t.Fatalf("%s has %d containers", address, len(all))
	}
	return container{all[0]}
}

// flag returns the value that the command has for a flag, and whether there is one.
func (c container) flag(name string) (string, bool) {
	for _, argument := range c.Command {
		if value, ok := strings.CutPrefix(argument, "--"+name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// with returns the command with another value for a flag that it has.
func (c container) with(t *testing.T, name, value string) container {
	t.Helper()
	if _, ok := c.flag(name); !ok {
		t.Fatalf("%s has no --%s: %v", *c.Name, name, c.Command)
	}
	command := make([]string, len(c.Command))
	for i, argument := range c.Command {
		command[i] = argument
		if strings.HasPrefix(argument, "--"+name+"=") {
			command[i] = "--" + name + "=" + value
		}
	}
	c.Command = command
	return c
}

// built are the real programs.
var built = struct {
	sync.Once
	dir string
	err error
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// program builds one of the programs, and returns its path.
func program(t *testing.T, name string) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "multinode-infra-"); built.err != nil {
			return
		}
		for _, path := range []string{"multinode/cmd/multinode", "github.com/nats-io/nats-server/v2"} {
			to := filepath.Join(built.dir, map[bool]string{true: "multinode", false: "nats-server"}[strings.HasPrefix(path, "multinode/")])
			// Like those of the image: one of them goes into others.
			cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", to, path)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			if built.err = cmd.Run(); built.err != nil {
				return
			}
		}
	})
	must(t, built.err)
	return filepath.Join(built.dir, name)
}

// start runs a program until the end of the test, with this environment only, and
// returns what it prints.
func start(t *testing.T, path string, environment []string, arguments ...string) (said *json.Decoder, ended <-chan struct{}) {
	t.Helper()
	cmd := exec.Command(path, arguments...)
	cmd.Env = environment
	cmd.Stderr = testlog.New(t)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = cmd.Process.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
	return json.NewDecoder(out), done
}

// freePort is one that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = listener.Close() }()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// broker is a NATS server on the loopback interface, and what nats-config wrote.
type broker struct{ url, folder string }

func startNATS(t *testing.T) broker {
	t.Helper()
	for range 5 { // another program may take the port first
		port, folder := freePort(t), filepath.Join(t.TempDir(), "nats")
		out, err := exec.Command(program(t, "multinode"), "nats-config", "--out="+folder, "--server=127.0.0.1:"+port,
			"--store-dir="+t.TempDir(), "--max-store=1GiB", "--monitor-port=0").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		_, ended := start(t, program(t, "nats-server"), nil, "-c", filepath.Join(folder, "nats-1.conf"))
		if listens(port, ended) {
			return broker{"nats://127.0.0.1:" + port, folder}
		}
	}
	t.Fatal("no NATS server came up")
	return broker{}
}

// listens waits until the port can be reached; false means that the program has ended.
func listens(port string, ended <-chan struct{}) bool {
	for {
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
		if connection, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			_ = connection.Close()
			return true
		}
	}
}

// environment is what a container gets: its variables and secrets, whose values are
// those of the files that README.md puts there, and the image's own.
func (b broker) environment(t *testing.T, p *terraform.Plan, c container) []string {
	t.Helper()
	values := map[string]string{resource(t, p, "aws_secretsmanager_secret.api_key").GetAttr("arn").AsString(): apiKey}
	for _, name := range []string{"control_plane", "authority"} {
		secret := resource(t, p, "aws_secretsmanager_secret."+name)
		for file, of := range output(t, p, "secrets").AsValueMap() {
			if of.Equals(secret.GetAttr("name")).True() {
				text, err := os.ReadFile(filepath.Join(b.folder, file))
				must(t, err)
				values[secret.GetAttr("arn").AsString()] = string(text)
			}
		}
	}
	environment := []string{"HOME=" + t.TempDir()}
	for _, s := range c.Secrets {
		value, ok := values[*s.ValueFrom]
		if !ok {
			t.Fatalf("%s gets %s from %s, which is no secret", *c.Name, *s.Name, *s.ValueFrom)
		}
		environment = append(environment, *s.Name+"="+value)
	}
	for _, v := range c.Environment {
		environment = append(environment, *v.Name+"="+*v.Value)
	}
	return environment
}

const apiKey = "a-key-of-sixteen-characters"
