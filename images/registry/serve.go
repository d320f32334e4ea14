package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Listen opens the address for Serve, such as "127.0.0.1:0". Container engines do
// without TLS only on loopback, and other machines have no business here: any
// other address is refused.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("opening the port of the registry of images: %w", err)
	}
	if at, ok := listener.Addr().(*net.TCPAddr); !ok || !at.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("the registry of images listens on loopback only, such as 127.0.0.1:0, not on %s", address), listener.Close())
	}
	return listener, nil
}

// Serve answers requests until ctx ends, and lets those that run come to an end
// for a moment.
func (r *Registry) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = errors.Join(server.Shutdown(patient), server.Close())
	})
	err := server.Serve(listener)
	if !stop() {
		<-stopped
		return nil
	}
	return fmt.Errorf("the registry of images ended: %w", err)
}
