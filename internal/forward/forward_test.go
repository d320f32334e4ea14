package forward

import (
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"testing"
)

// echo answers with what it gets, until the other side has sent all.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func start(t *testing.T, network string, inAll int) *Forwarder {
	t.Helper()
	f, err := Listen(t.Context(), "127.0.0.1:0", echo(t), netip.MustParsePrefix(network), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	f.inAll = inAll
	ended := make(chan error, 1)
	go func() { ended <- f.Serve() }()
	t.Cleanup(func() {
		_ = f.Close()
		if err := <-ended; err != nil { // with no connection left
			t.Error(err)
		}
	})
	return f
}

// dial connects from an address of this machine.
func dial(t *testing.T, f *Forwarder, from string) *net.TCPConn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", f.Address().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

// says tells whether the connection is passed on.
func says(conn net.Conn) bool {
	if _, err := conn.Write([]byte("x")); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err == nil
}

func TestBothWaysEndByThemselves(t *testing.T) {
	f := start(t, "127.0.0.0/8", maxInAll)
	conn := dial(t, f, "127.0.0.1")
	text := make([]byte, 1<<20)
	go func() {
		_, _ = conn.Write(text)
		_ = conn.CloseWrite() // the answer comes all the same
	}()
	if got, err := io.ReadAll(conn); err != nil || len(got) != len(text) {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

func TestOnlyTheNetworkIsLetIn(t *testing.T) {
	f := start(t, "127.0.0.7/32", maxInAll)
	if !says(dial(t, f, "127.0.0.7")) {
		t.Error("one of the network is turned away")
	}
	if says(dial(t, f, "127.0.0.8")) {
		t.Error("one from elsewhere is let in")
	}
}

func TestOneSourceHasItsShareOnly(t *testing.T) {
	f := start(t, "127.0.0.0/8", maxInAll)
	var mine []net.Conn
	for range f.perSource {
		conn := dial(t, f, "127.0.0.2")
		if !says(conn) {
			t.Fatal("a connection within the share is turned away")
		}
		mine = append(mine, conn)
	}
	if says(dial(t, f, "127.0.0.2")) {
		t.Error("a connection beyond the share is let in")
	}
	if !says(dial(t, f, "127.0.0.3")) || !says(mine[0]) {
		t.Error("another has to suffer for it")
	}
}

func TestWhoHasMostMakesRoom(t *testing.T) {
	f := start(t, "127.0.0.0/8", 8)
	var greedy []net.Conn
	for range f.inAll - 1 {
		conn := dial(t, f, "127.0.0.2")
		if !says(conn) {
			t.Fatal("a connection is turned away while there is room")
		}
		greedy = append(greedy, conn)
	}
	modest := dial(t, f, "127.0.0.3")
	if !says(modest) || !says(dial(t, f, "127.0.0.4")) {
		t.Error("a newcomer finds no room")
	}
	if says(greedy[0]) || !says(greedy[1]) || !says(modest) {
		t.Error("another than the oldest of who has most has made room")
	}
}

// A crowd must not use up the files that everything else in the process needs.
func TestConnectionsLeaveFilesToOthers(t *testing.T) {
	for files, want := range map[uint64]int{1 << 20: maxInAll, 1 << 62: maxInAll, 4096: 170, 256: 10, 0: 1} {
		if n := fitting(files); n != want {
			t.Errorf("of %d files %d connections may be, not %d", files, n, want)
		}
	}
	f, err := Listen(t.Context(), "127.0.0.1:0", "127.0.0.1:1", netip.MustParsePrefix("127.0.0.0/8"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.inAll != fitting(files()) {
		t.Errorf("%d connections may be", f.inAll)
	}
}

// Dispatchers on one engine pass on to the same port: where one has gone, or was killed,
// those who come find the other.
func TestForwardersShareAnAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the system may give everything to one of them")
	}
	first := start(t, "127.0.0.0/8", maxInAll)
	second, err := Listen(t.Context(), first.Address().String(), first.target, first.from, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- second.Serve() }()
	if !says(dial(t, first, "127.0.0.1")) {
		t.Error("nothing is passed on while there are two")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if !says(dial(t, second, "127.0.0.1")) {
			t.Fatal("a connection went to the one that has gone")
		}
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
