package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
)

// oneIn is how many messages there are to each that is lost, and to each that is
// repeated. A call without an answer is given up after seconds, and takes several.
const oneIn = 200

// messages stands between the processes and NATS, and loses and repeats messages in
// both directions: core NATS delivers at most once, and whoever has no answer asks
// again. Whatever else the two say passes as it is.
type messages struct {
	listener net.Listener
	broker   string
	dice     *dice
	fault    func(kind string)
	faithful atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool
	all   sync.WaitGroup
}

// newMessages listens, and passes what it gets to the broker's address.
func newMessages(ctx context.Context, broker string) (*messages, error) {
	address, err := freePort()
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	m := &messages{listener: listener, broker: broker, conns: map[net.Conn]bool{}}
	m.faithful.Store(true) // until the run has begun
	if err == nil {
		m.all.Go(m.serve)
	}
	return m, err
}

func (m *messages) address() string { return m.listener.Addr().String() }

func (m *messages) serve() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			return
		}
		m.all.Go(func() { m.join(conn) })
	}
}

// join connects a client to the broker until one of them has gone.
func (m *messages) join(client net.Conn) {
	broker, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", m.broker)
	if err != nil {
		_ = client.Close()
		return
	}
	if !m.keep(client, broker) {
		return
	}
	defer m.drop(client, broker)
	var both sync.WaitGroup
	both.Go(func() {
		_ = m.pass(broker, client, "to NATS")
		m.drop(client, broker)
	})
	_ = m.pass(client, broker, "from NATS")
	m.drop(client, broker)
	both.Wait()
}

// keep notes the connections of a pair, and closes them where all is over.
func (m *messages) keep(pair ...net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, conn := range pair {
		if m.conns == nil {
			_ = conn.Close()
		} else {
			m.conns[conn] = true
		}
	}
	return m.conns != nil
}

func (m *messages) drop(pair ...net.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, conn := range pair {
		_ = conn.Close()
		delete(m.conns, conn)
	}
}

// pass copies one direction, message by message.
func (m *messages) pass(to io.Writer, from io.Reader, direction string) error {
	in, out := bufio.NewReaderSize(from, 1<<16), bufio.NewWriterSize(to, 1<<16)
	for {
		text, is, err := readOperation(in)
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		times := 1
		if is {
			times = m.times(direction)
		}
		for range times {
			if _, err := out.Write(text); err != nil {
				return err
			}
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// times is how often a message arrives.
func (m *messages) times(direction string) int {
	if m.faithful.Load() {
		return 1
	}
	switch m.dice.next(oneIn) {
	case 0:
		m.fault("a message " + direction + " lost")
		return 0
	case 1:
		m.fault("a message " + direction + " repeated")
		return 2
	}
	return 1
}

// readOperation reads one operation of NATS's protocol, and tells whether it is a
// message.
func readOperation(in *bufio.Reader) (text []byte, message bool, err error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, false, err
	}
	words := bytes.Fields(line)
	if len(words) < 2 {
		return line, false, nil
	}
	switch string(bytes.ToUpper(words[0])) {
	case "PUB", "HPUB", "MSG", "HMSG":
	default:
		return line, false, nil
	}
	size, err := strconv.Atoi(string(words[len(words)-1]))
	if err != nil || size < 0 {
		return nil, false, fmt.Errorf("the size of a message in %q", line)
	}
	text = make([]byte, len(line)+size+len("\r\n"))
	_, err = io.ReadFull(in, text[copy(text, line):])
	return text, true, err
}

// disturb has messages lost and repeated until ctx ends.
func (m *messages) disturb(ctx context.Context) {
	m.faithful.Store(false)
	<-ctx.Done()
	m.faithful.Store(true)
}

// close ends all connections.
func (m *messages) close() {
	_ = m.listener.Close()
	m.mu.Lock()
	for conn := range m.conns {
		_ = conn.Close()
	}
	m.conns = nil
	m.mu.Unlock()
	m.all.Wait()
}
