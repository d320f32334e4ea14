package port_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"

	"multinode/internal/port"
)

func TestAChosenPortIsNoneOfOutgoingConnections(t *testing.T) {
	for range 20 {
		listener := open(t, 0)
		if n := number(listener); n >= 32_768 {
			t.Skipf("the port %d was chosen by the system", n)
		}
	}
}

func TestATakenPortIsWaitedFor(t *testing.T) {
	first := open(t, 0)
	opened := make(chan net.Listener)
	go func() {
		listener, err := port.Listen(t.Context(), "127.0.0.1", number(first))
		if err != nil {
			t.Error(err)
		}
		opened <- listener
	}()
	// Whether it has tried yet does not matter: it opens the port once that is free.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if second := <-opened; second != nil {
		_ = second.Close()
	}
}

func TestATakenPortIsNotWaitedForForEver(t *testing.T) {
	taken := number(open(t, 0))
	if _, err := port.Listen(t.Context(), "127.0.0.1", taken); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port that stays taken: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := port.Listen(ctx, "127.0.0.1", taken); err == nil {
		t.Error("a taken port was opened")
	}
}

func open(t *testing.T, wanted int) net.Listener {
	t.Helper()
	listener, err := port.Listen(t.Context(), "127.0.0.1", wanted)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

func number(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
