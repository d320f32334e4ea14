package images

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// A registry that takes connections and says nothing is out of reach: for now.
func TestARegistryThatFallsSilent(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+silent.Addr().String()+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := New(Options{Silence: 10 * time.Millisecond}).options.Transport.RoundTrip(request)
	if err == nil {
		_ = answer.Body.Close()
	}
	var lasting *Failure
	if !errors.Is(err, os.ErrDeadlineExceeded) || errors.As(explain("reading", err), &lasting) {
		t.Errorf("%v", err)
	}
}
