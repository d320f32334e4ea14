package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// balancer sends requests to the gateways that are ready, as a load balancer does.
type balancer struct {
	*httptest.Server
	failures atomic.Int64 // answers of 500 and above, and none at all

	mu    sync.Mutex
	ready []*url.URL
	turn  int
}

// balance looks every few milliseconds which gateways are ready.
func balance(t *testing.T, gateways ...string) *balancer {
	b := &balancer{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			if to := b.next(); to != nil {
				r.SetURL(to)
			}
		},
		// A gateway that cannot be reached has got nothing: another one may have it.
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			for try := 0; ; try++ {
				answer, err := http.DefaultTransport.RoundTrip(r)
				var network *net.OpError
				if !errors.As(err, &network) || network.Op != "dial" || try == 100 {
					return answer, err
				}
				time.Sleep(20 * time.Millisecond)
				if to := b.next(); to != nil {
					r = r.Clone(r.Context())
					r.URL.Host = to.Host
				}
			}
		}),
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode >= http.StatusInternalServerError {
				b.failures.Add(1)
				t.Logf("balancer: %s %s: %s", r.Request.Method, r.Request.URL.Path, r.Status)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				b.failures.Add(1)
				t.Logf("balancer: %s %s: %v", r.Method, r.URL.Path, err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for {
			b.look(gateways)
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				return
			}
		}
	})
	b.Server = httptest.NewServer(proxy)
	t.Cleanup(func() {
		b.Close()
		close(stop)
		looking.Wait()
	})
	return b
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (b *balancer) look(gateways []string) {
	var ready []*url.URL
	for _, gateway := range gateways {
		answer, err := http.Get(gateway + "/ready")
		if err != nil {
			continue
		}
		_ = answer.Body.Close()
		if to, err := url.Parse(gateway); err == nil && answer.StatusCode == http.StatusOK {
			ready = append(ready, to)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready = ready
}

// next takes turns.
func (b *balancer) next() *url.URL {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.ready) == 0 {
		return nil
	}
	b.turn++
	return b.ready[b.turn%len(b.ready)]
}
