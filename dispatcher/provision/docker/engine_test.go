package docker_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"

	"multinode"
	"multinode/dispatcher/provision/docker"
)

// wire is a way to the engine that can be cut.
type wire struct {
	to       string
	mu       sync.Mutex
	address  string
	listener net.Listener
	conns    []net.Conn
	serving  sync.WaitGroup
}

func newWire(t *testing.T) *wire {
	t.Helper()
	network, path, _ := strings.Cut(requireEngine(t).DaemonHost(), "://")
	if network != "unix" {
		t.Skip("the engine listens at no socket")
	}
	w := &wire{to: path, address: "127.0.0.1:0"}
	w.join(t)
	t.Cleanup(w.cut)
	return w
}

// join opens the way.
func (w *wire) join(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	listener, err := net.Listen("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	w.listener, w.address = listener, listener.Addr().String()
	w.serving.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			w.serving.Go(func() { w.serve(in) })
		}
	})
}

func (w *wire) serve(in net.Conn) {
	out, err := net.Dial("unix", w.to)
	if err != nil {
		_ = in.Close()
		return
	}
	w.mu.Lock()
	w.conns = append(w.conns, in, out)
	w.mu.Unlock()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = in.Close()
			_ = out.Close()
		})
	}
	both.Wait()
}

// cut closes the way and all that go along it.
func (w *wire) cut() {
	w.mu.Lock()
	_ = w.listener.Close()
	for _, conn := range w.conns {
		_ = conn.Close()
	}
	w.conns = nil
	w.mu.Unlock()
	w.serving.Wait()
}

func TestAnEndWhileTheEngineIsOutOfReachIsNoticed(t *testing.T) {
	way := newWire(t)
	s := newStage(t, func(o *docker.Options) { o.Host = "tcp://" + way.address })
	ending, removed, staying := s.intend("wait"), s.intend("wait"), s.intend("wait")
	for _, intent := range []string{s.launch(t, ending), s.launch(t, removed), s.launch(t, staying)} {
		t.Log("launched", intent)
	}
	way.cut()
	direct := s.open(t, s.options(0))
	stop := func(id string) {
		if err := direct.Stop(t.Context(), id, multinode.Worker{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	engine := requireEngine(t)
	kill(t, engine, s.site, ending.ExecutionID)
	stop(removed.ExecutionID)
	way.join(t)
	seen := map[string]bool{}
	for len(seen) < 2 {
		exit := <-s.Exits()
		seen[exit.ExecutionID] = true
	}
	if !seen[ending.ExecutionID] || !seen[removed.ExecutionID] || seen[staying.ExecutionID] {
		t.Errorf("noticed: %v", seen)
	}
}

func kill(t *testing.T, engine *client.Client, s site, id string) {
	t.Helper()
	if err := engine.ContainerKill(t.Context(), "multinode-"+s.namespace+"-"+id, "SIGKILL"); err != nil {
		t.Fatal(err)
	}
}

func requireEngineForCleanup(t *testing.T) *client.Client {
	t.Helper()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

func TestWithoutAnEngineTheErrorSaysWhatToDo(t *testing.T) {
	o := docker.DefaultOptions()
	o.Host = "unix://" + t.TempDir() + "/docker.sock"
	if _, err := docker.New(context.Background(), o); err == nil || !strings.Contains(err.Error(), "DOCKER_HOST") {
		t.Errorf("without an engine: %v", err)
	}
}
