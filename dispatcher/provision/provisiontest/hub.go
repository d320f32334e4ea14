package provisiontest

import (
	"bufio"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"
)

// patience is how long the suite waits for what should come within moments.
const patience = 30 * time.Second

// hub is where the processes of workers connect to.
type hub struct {
	listener net.Listener
	mu       sync.Mutex
	changed  chan struct{} // closed and replaced when a peer arrives
	peers    []*peer
	claimed  map[*peer]bool
}

// peer is the suite's end of a connection to a worker's process.
type peer struct {
	hello
	conn    net.Conn
	replies chan string
	terms   chan struct{}
	gone    chan struct{}
}

func newHub(t *testing.T, host string) *hub {
	t.Helper()
	if host == "" {
		host = "127.0.0.1"
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{listener: listener, changed: make(chan struct{}), claimed: map[*peer]bool{}}
	var serving sync.WaitGroup
	serving.Go(func() { h.accept(&serving) })
	t.Cleanup(func() {
		_ = listener.Close()
		h.mu.Lock()
		for _, p := range h.peers {
			_ = p.conn.Close()
		}
		h.mu.Unlock()
		serving.Wait()
	})
	return h
}

func (h *hub) accept(serving *sync.WaitGroup) {
	for {
		conn, err := h.listener.Accept()
		if err != nil {
			return
		}
		serving.Go(func() { h.serve(conn) })
	}
}

func (h *hub) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 1<<20)
	p := &peer{conn: conn, replies: make(chan string, 16), terms: make(chan struct{}, 16), gone: make(chan struct{})}
	defer close(p.gone)
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &p.hello) != nil {
		return
	}
	h.mu.Lock()
	h.peers = append(h.peers, p)
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
	for lines.Scan() {
		if line := lines.Text(); line == "term" {
			p.terms <- struct{}{}
		} else {
			p.replies <- line
		}
	}
}

// await returns the next process of the execution that nobody has got yet.
func (h *hub) await(t *testing.T, executionID, role string) *peer {
	t.Helper()
	timeout := time.After(patience)
	for {
		h.mu.Lock()
		changed := h.changed
		for _, p := range h.peers {
			if p.ExecutionID == executionID && p.Role == role && !h.claimed[p] {
				h.claimed[p] = true
				h.mu.Unlock()
				return p
			}
		}
		h.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no %s of %s has announced itself", role, executionID)
		}
	}
}

// runners counts the runners of the execution that ever announced themselves.
func (h *hub) runners(executionID string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, p := range h.peers {
		if p.ExecutionID == executionID && p.Role == runnerRole {
			n++
		}
	}
	return n
}

// order sends an order without waiting for an answer.
func (p *peer) order(t *testing.T, line string) {
	t.Helper()
	if _, err := p.conn.Write([]byte(line + "\n")); err != nil {
		t.Fatalf("order %q to %s: %v", line, p.ExecutionID, err)
	}
}

// do sends an order and waits until it has been obeyed.
func (p *peer) do(t *testing.T, line string) {
	t.Helper()
	p.order(t, line)
	select {
	case reply := <-p.replies:
		if reply != "ok" {
			t.Fatalf("order %q: reply %q", line, reply)
		}
	case <-p.gone:
		t.Fatalf("order %q: the process has ended", line)
	case <-time.After(patience):
		t.Fatalf("order %q: no reply", line)
	}
}

// awaitTerm waits for the process to be asked to end.
func (p *peer) awaitTerm(t *testing.T) {
	t.Helper()
	select {
	case <-p.terms:
	case <-p.gone:
		select {
		case <-p.terms:
		default:
			t.Fatal("the process ended without having been asked to")
		}
	case <-time.After(patience):
		t.Fatal("the process was not asked to end")
	}
}

// awaitGone waits for the death of the process.
func (p *peer) awaitGone(t *testing.T) {
	t.Helper()
	select {
	case <-p.gone:
	case <-time.After(patience):
		t.Fatalf("process %d (%s of %s) is still alive", p.PID, p.Role, p.ExecutionID)
	}
}
