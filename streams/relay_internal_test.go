package streams

import (
	"bufio"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The states of a relay: it lets everything through, breaks all connections and
// takes no new ones, or drops what consumers deliver and says nothing of it.
const (
	passing = iota
	cut
	mute
)

// relay stands between a client and its server.
type relay struct {
	url, server string

	mu    sync.Mutex
	state int
	open  map[net.Conn]bool
}

func newRelay(t *testing.T, server string) *relay {
	t.Helper()
	at, err := url.Parse(server)
	check(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	r := &relay{url: "nats://" + listener.Addr().String(), server: at.Host, open: map[net.Conn]bool{}}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.carry(client)
		}
	}()
	return r
}

func (r *relay) set(state int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state = state; state == cut {
		for c := range r.open {
			_ = c.Close()
		}
	}
}

func (r *relay) is(state int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state == state
}

func (r *relay) carry(client net.Conn) {
	defer client.Close()
	r.mu.Lock()
	r.open[client] = true
	r.mu.Unlock()
	if r.is(cut) {
		return
	}
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	from := bufio.NewReader(server)
	for {
		frame, err := readFrame(from)
		if err != nil {
			return
		}
		// What a consumer delivers has a reply subject to acknowledge it, and what
		// the server says of a pull a status.
		if r.is(mute) && (strings.Contains(frame, " $JS.ACK.") || strings.Contains(frame, "NATS/1.0 ")) {
			continue
		}
		if _, err := io.WriteString(client, frame); err != nil {
			return
		}
	}
}

// readFrame reads a line of the protocol, with the message that it announces.
func readFrame(from *bufio.Reader) (string, error) {
	line, err := from.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "MSG ") && !strings.HasPrefix(line, "HMSG ") {
		return line, err
	}
	fields := strings.Fields(line)
	size, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return "", err
	}
	body := make([]byte, size+len("\r\n"))
	_, err = io.ReadFull(from, body)
	return line + string(body), err
}
