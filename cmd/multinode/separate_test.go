package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"multinode/client"
	"multinode/wire"
)

// fleetTasks writes down each run of the user's code.
const fleetTasks = `
import os, time
from multinode import Multinode

mn = Multinode()

def note(folder, word):
    with open(os.path.join(folder, word), "a") as f:
        f.write("x")

@mn.function(max_concurrency=4)
def quick(folder, n):
    note(folder, "quick-%d" % n)
    return n + 1

@mn.function()
def held(folder, n):
    note(folder, "held-%d" % n)
    while not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.05)
    return n + 1
`

// load is a client that starts and awaits invocations, one after the other.
type load struct {
	f      *fleet
	folder string
	n      atomic.Int64
}

// fleetInput is the arguments of a function of fleetTasks.
func fleetInput(folder string, n int) string { return fmt.Sprintf(`[[%q, %d], {}]`, folder, n) }

// invoke runs one invocation to its end.
func (l *load) invoke(function string) error {
	n := int(l.n.Add(1))
	at := client.Function{Project: "fleet", Version: client.Latest, Name: function}
	started, err := l.f.api.Start(context.Background(), at, wire.InvocationDefinition{Input: fleetInput(l.folder, n)}, "")
	if err != nil {
		return fmt.Errorf("start of %s %d: %w", function, n, err)
	}
	info, err := l.f.api.Await(context.Background(), client.Invocation{Function: at, ID: started.InvocationID})
	if err != nil {
		return fmt.Errorf("await of %s %d: %w", function, n, err)
	}
	last := info.Executions[len(info.Executions)-1]
	if last.Output == nil || *last.Output != strconv.Itoa(n+1) {
		return fmt.Errorf("%s %d: %+v", function, n, info)
	}
	runs, err := os.ReadFile(filepath.Join(l.folder, fmt.Sprintf("%s-%d", function, n)))
	if err != nil || string(runs) != "x" {
		return fmt.Errorf("%s %d ran %d times, %w", function, n, len(runs), err)
	}
	return nil
}

// during keeps two clients busy while do runs, and returns how much they did.
func (l *load) during(do func()) {
	l.f.t.Helper()
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := l.invoke("quick"); err != nil {
					l.f.t.Error(err)
				}
			}
		})
	}
	do()
	close(stop)
	clients.Wait()
}

// Separate processes may die and be restarted, one by one, while clients work: no
// request fails for good, and nothing runs twice.
func TestSeparateProcessesUnderRestarts(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes most of a minute")
	}
	f := newFleet(t, 3)
	user := newShell(t, nil)
	user.poll = 50 * time.Millisecond
	user.mustRun("login", "--url="+f.balancer.URL, "--key="+fleetKey)
	user.mustRun("deploy", project(t, map[string]string{"main.py": fleetTasks}), "--project-name=fleet")
	l := &load{f: f, folder: t.TempDir()}

	// What runs outlives its dispatcher, and what it came to is not lost.
	var held sync.WaitGroup
	for range 4 {
		held.Go(func() {
			if err := l.invoke("held"); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "four run", func() bool {
		runs, err := filepath.Glob(filepath.Join(l.folder, "held-*"))
		return err == nil && len(runs) == 4
	})
	f.dispatchers[0].kill()
	f.dispatchers[0].start()
	if err := os.WriteFile(filepath.Join(l.folder, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	l.during(func() {
		before := f.balancer.failures.Load()
		for _, p := range append(f.gateways, f.dispatchers...) {
			p.stop()
			p.start()
		}
		if failures := f.balancer.failures.Load() - before; failures > 0 {
			t.Errorf("%d requests failed during a rolling restart", failures)
		}
		t.Logf("%d invocations so far", l.n.Load())
		for i, p := range f.nats {
			p.stop()
			p.launch()
			f.healthy(i)
			f.current()
		}
		t.Logf("%d invocations so far", l.n.Load())
		f.gateways[1].kill()
		f.gateways[1].start()
		f.nats[0].kill()
		if err := os.RemoveAll(f.dir("nats-data", 0)); err != nil { // its disk is lost, too
			t.Error(err)
		}
		f.nats[0].launch()
		f.healthy(0)
		f.current()
	})
	held.Wait()
	t.Logf("%d invocations", l.n.Load())
}
