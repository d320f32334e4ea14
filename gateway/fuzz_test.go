package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"multinode/embedded/embeddedtest"
	"multinode/gateway"
	"multinode/streams"
	"multinode/streams/index"
)

// serveAdmin serves a gateway whose admin key is adminKey, and returns its URL.
func serveAdmin(f *testing.F) string {
	f.Helper()
	must := func(err error) {
		if err != nil {
			f.Fatal(err)
		}
	}
	nc, err := embeddedtest.Start(f).Connect("gateway")
	must(err)
	f.Cleanup(nc.Close)
	ctx, cancel := context.WithCancel(context.Background())
	store, err := streams.Open(ctx, nc, streams.Options{})
	must(err)
	f.Cleanup(store.Close)
	x, err := index.Open(filepath.Join(f.TempDir(), "index"), store, nil)
	must(err)
	fed := make(chan error, 1)
	go func() { fed <- x.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := errors.Join(<-fed, x.Close()); err != nil && !errors.Is(err, context.Canceled) {
			f.Errorf("the index: %v", err)
		}
	})
	must(store.PutKey(ctx, adminKey, "test", streams.RoleAdmin, ""))
	o := gateway.DefaultOptions()
	o.Store, o.Index, o.Logger = store, x, slog.New(slog.DiscardHandler)
	g, err := gateway.New(o)
	must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() { _ = g.Serve(listener) }()
	f.Cleanup(func() { _ = g.Close() })
	return "http://" + listener.Addr().String()
}

// FuzzRoutes: whatever stands in the path, the query and the body of any route, the
// answer is one of the contract and never an internal error.
func FuzzRoutes(f *testing.F) {
	base := serveAdmin(f)
	table := gateway.Routes()
	for n := range table {
		f.Add(uint8(n), "p", "latest", "limit=1&offset=x&include_logs=true", []byte(`{"input":"[[],{}]"}`))
	}
	f.Add(uint8(0), "..", "%2F", "limit=99999999999999999999&offset=12-1", []byte(`{`))
	f.Add(uint8(3), strings.Repeat("𝄞", 1023), "\x00", "follow=false&status=NONE", []byte("null"))
	client := &http.Client{Timeout: 10 * time.Second}
	f.Fuzz(func(t *testing.T, n uint8, odd, even, query string, body []byte) {
		r := table[int(n)%len(table)]
		parts := strings.Split(r.Path, "/")
		for i, part := range parts {
			if strings.HasPrefix(part, "{") {
				parts[i] = url.PathEscape([]string{even, odd}[i%2])
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, r.Method, base+strings.Join(parts, "/"), bytes.NewReader(body))
		if err != nil {
			return // no URL
		}
		values, _ := url.ParseQuery(query) // what can be read of it
		request.URL.RawQuery = values.Encode()
		request.Header.Set("Authorization", "Bearer "+adminKey)
		answer, err := client.Do(request)
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s %s was not answered: %v", r.Method, request.URL, err)
			}
			return // something was waited for
		}
		defer answer.Body.Close()
		if answer.StatusCode >= 500 {
			text, _ := io.ReadAll(answer.Body)
			t.Errorf("%s %s was answered with %d: %s", r.Method, request.URL, answer.StatusCode, text)
		}
		if answer.StatusCode >= 400 && r.Method != http.MethodHead {
			var problem struct {
				Detail any `json:"detail"`
			}
			if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil || problem.Detail == nil {
				t.Errorf("%s %s: the answer %d says nothing: %v", r.Method, request.URL, answer.StatusCode, err)
			}
		}
	})
}
