package images

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// silence is longer than a registry takes to check a large layer that it was sent.
const silence = 2 * time.Minute

// impatient returns a transport for which a registry that has fallen silent is out of
// reach, however long a transfer takes that goes on.
func impatient(silence time.Duration) http.RoundTripper {
	transport := remote.DefaultTransport.(*http.Transport).Clone()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watched{conn, silence}, nil
	}
	return transport
}

// watched is a connection that breaks where nothing goes on. What goes one way prolongs
// the other: an answer may be waited for all the time that a request takes.
type watched struct {
	net.Conn
	silence time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.SetDeadline(time.Now().Add(w.silence)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

func (w *watched) Write(p []byte) (int, error) {
	if err := w.SetDeadline(time.Now().Add(w.silence)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
