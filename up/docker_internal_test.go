package up

import (
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
)

// What listens on all addresses has the port on that of the containers' network
// already.
func TestContainersReachWhatListensEverywhere(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("another loopback address is needed")
	}
	s := &System{everywhere: map[string]bool{}}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	at := localURL(API{Listen: "0.0.0.0:0"}, listener)
	s.servesAt("0.0.0.0:0", at)
	b := bridge{system: s, log: slog.New(slog.DiscardHandler), address: "127.0.0.2", network: netip.MustParsePrefix("127.0.0.0/8"), ports: map[string]string{}}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	if inside, err := b.reach(t.Context(), at); err != nil || inside != "http://host.docker.internal:"+port {
		t.Errorf("%q, %v", inside, err)
	}
	// Another process's: its owner says so.
	delete(s.everywhere, port)
	if _, err := b.reach(t.Context(), at); err == nil || !strings.Contains(err.Error(), "give its address as host.docker.internal:"+port) {
		t.Error(err)
	}
}
