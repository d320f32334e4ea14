package process_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/process"
)

// Variables that turn the test binary into a dispatcher that launches one worker
// and is killed at a step of it.
const (
	crashVariable = "MULTINODE_TEST_CRASH_AT"
	orderVariable = "MULTINODE_TEST_CRASH_ORDER"
)

// crashOrder is what the dispatcher that crashes is to launch.
type crashOrder struct {
	Site   string
	Intent provision.Intent
	Runner []string
}

func crashingDispatcher(step string) {
	var order crashOrder
	if err := json.Unmarshal([]byte(os.Getenv(orderVariable)), &order); err != nil {
		panic(err)
	}
	options := process.DefaultOptions(order.Site)
	options.Command = order.Runner
	p, err := process.New(options)
	if err != nil {
		panic(err)
	}
	p.At(func(at string) {
		if at == step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	_, err = p.Launch(context.Background(), order.Intent)
	panic(err) // it should not have come back
}

// Whatever the step at which a dispatcher is killed, the next one's Launch leads
// to exactly one worker, and nothing else is left of the first attempt.
func TestLaunchSurvivesACrashAtEachStep(t *testing.T) {
	for _, step := range []string{"claimed", "intended", "prepared", "forked", "recorded", "started"} {
		t.Run(step, func(t *testing.T) {
			s, runner := newSite(t), newCalls(t)
			order := crashOrder{Site: s.dir, Intent: s.intent(multinode.NewID("exe")), Runner: runner.command()}
			crash(t, step, order)

			options := s.options(0)
			options.Command = runner.command()
			p := s.open(t, options)
			defer func() {
				stop(t, p, order.Intent.ExecutionID)
				_ = p.Close()
			}()
			if _, err := p.Launch(soon(t), order.Intent); err != nil {
				t.Fatal(err)
			}
			runner.next(t)
			workers, err := p.List(t.Context())
			if err != nil || len(workers) != 1 || !workers[0].Started || !workers[0].Alive {
				t.Errorf("listed: %+v, %v", workers, err)
			}
			if err := p.Stop(soon(t), order.Intent.ExecutionID, multinode.Worker{}, 0); err != nil {
				t.Error(err)
			}
			nothingAlive(t, order.Intent.ExecutionID)
			runner.none(t)
		})
	}
}

// A launch that is cut off and never taken up again is removed by Stop, whether
// or not it came to anything.
func TestStopSweepsUpACrashAtEachStep(t *testing.T) {
	for _, step := range []string{"claimed", "intended", "prepared", "forked", "recorded", "started"} {
		t.Run(step, func(t *testing.T) {
			s, runner := newSite(t), newCalls(t)
			order := crashOrder{Site: s.dir, Intent: s.intent(multinode.NewID("exe")), Runner: runner.command()}
			crash(t, step, order)

			p := s.open(t, s.options(0))
			defer func() { _ = p.Close() }()
			workers, err := p.List(t.Context())
			want := []provision.Worker{{
				ExecutionID: order.Intent.ExecutionID, ExecutionKey: "p.g.f.i.e",
				Handle: multinode.Worker{Kind: process.Kind, ID: order.Intent.ExecutionID},
			}}
			switch step {
			case "claimed":
				want = nil // nobody knows what it was to become: List has removed it
			case "started":
				// The shell at the gate may need a moment to make this true.
				want[0].Started, want[0].Alive = workers[0].Started, workers[0].Alive
			}
			if err != nil || !slices.Equal(workers, want) {
				t.Errorf("listed: %+v, %v", workers, err)
			}
			if err := p.Stop(soon(t), order.Intent.ExecutionID, multinode.Worker{}, 0); err != nil {
				t.Error(err)
			}
			for _, dir := range []string{"workers", "removing"} {
				if left, err := os.ReadDir(filepath.Join(s.dir, dir)); err != nil || len(left) > 0 {
					t.Errorf("%s: %v, %v", dir, left, err)
				}
			}
			nothingAlive(t, order.Intent.ExecutionID)
			if step != "started" {
				runner.none(t)
			}
		})
	}
}

func crash(t *testing.T, step string, order crashOrder) {
	t.Helper()
	data, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	dispatcher := exec.CommandContext(soon(t), os.Args[0])
	dispatcher.Env = append(os.Environ(), crashVariable+"="+step, orderVariable+"="+string(data))
	output, _ := dispatcher.CombinedOutput()
	status, _ := dispatcher.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the dispatcher ended by itself: %v\n%s", dispatcher.ProcessState, output)
	}
}

// calls hears of every start of a runner that is a shell and nothing else.
type calls struct {
	path  string
	fifo  *os.File
	lines *bufio.Reader
}

func newCalls(t *testing.T) *calls {
	t.Helper()
	path := filepath.Join(t.TempDir(), "calls")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Open for both, so that it neither blocks nor ends while nobody writes.
	fifo, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fifo.Close() })
	return &calls{path: path, fifo: fifo, lines: bufio.NewReader(fifo)}
}

// command is a runner that calls at its start, and then lives until it is killed.
func (c *calls) command() []string {
	return []string{"/bin/sh", "-c", `echo started >"$0" && exec sleep 100000`, c.path}
}

func (c *calls) next(t *testing.T) {
	t.Helper()
	_ = c.fifo.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.lines.ReadString('\n'); err != nil {
		t.Fatalf("no runner was started: %v", err)
	}
}

// none checks that nobody has called since.
func (c *calls) none(t *testing.T) {
	t.Helper()
	_ = c.fifo.SetReadDeadline(time.Now())
	if line, err := c.lines.ReadString('\n'); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one more runner was started: %q, %v", line, err)
	}
}

// nothingAlive checks the whole machine.
func nothingAlive(t *testing.T, executionID string) {
	t.Helper()
	if pids := process.Marked(t, executionID); len(pids) > 0 {
		t.Errorf("processes of %s are alive: %v", executionID, pids)
	}
}
