package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"multinode/wire"
)

var quick = Retry{Attempts: 3, Base: time.Microsecond, Max: time.Millisecond}

// serve runs a server for the test, which takes one request at a time, and returns
// a client of it.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	var turn sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		turn.Lock()
		defer turn.Unlock()
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	c, err := New(Options{URL: server.URL + "/", Key: "secret", Retry: quick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, e *wire.Error) {
	answer(w, e.Status, wire.ErrorBody{Detail: e.Detail})
}

var someInvocation = Function{Project: "a b/ü", Name: "f"}.Invocation("inv-1")

func TestNewRefusesAddresses(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:8470", "ftp://x", "http://", "http://a b", ":"} {
		if _, err := New(Options{URL: address}); err == nil {
			t.Errorf("New(%q) took it", address)
		}
	}
}

func TestCallsGoWhereTheContractSays(t *testing.T) {
	ctx := t.Context()
	const p = "/projects/a%20b%2F%C3%BC"
	const i = p + "/versions/latest/functions/f/invocations"
	after := uint64(7)
	for _, c := range []struct {
		want string
		call func(*Client) error
	}{
		{"GET /", func(c *Client) error { return c.Health(ctx) }},
		{"GET /projects", func(c *Client) error { _, err := c.Projects(ctx); return err }},
		{"GET " + p, func(c *Client) error { _, err := c.Project(ctx, "a b/ü"); return err }},
		{"DELETE " + p, func(c *Client) error { _, err := c.DeleteProject(ctx, "a b/ü"); return err }},
		{"GET " + p + "/versions", func(c *Client) error { _, err := c.Versions(ctx, "a b/ü"); return err }},
		{"GET " + p + "/versions/ver-1", func(c *Client) error { _, err := c.Version(ctx, "a b/ü", "ver-1"); return err }},
		{"POST " + p + `/deployments {"mode":"create","bundle":"d","environment":{"K":"v"}}`, func(c *Client) error {
			_, err := c.Deploy(ctx, "a b/ü", wire.DeploymentDefinition{Mode: wire.DeployCreate, Bundle: "d", Environment: map[string]string{"K": "v"}})
			return err
		}},
		{"HEAD /bundles/d", func(c *Client) error { _, err := c.HasBundle(ctx, "d"); return err }},
		{"PUT /bundles/d code", func(c *Client) error {
			_, err := c.PutBundle(ctx, "d", 4, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("code")), nil })
			return err
		}},
		{"POST " + i + ` {"parent_invocation":null,"input":"[[],{}]"}`, func(c *Client) error {
			_, err := c.Start(ctx, someInvocation.Function, wire.InvocationDefinition{Input: "[[],{}]"}, "key")
			return err
		}},
		{"GET " + i + "/inv-1", func(c *Client) error { _, err := c.Invocation(ctx, someInvocation); return err }},
		{"GET " + i + "/inv-1?after=7&wait=60", func(c *Client) error {
			_, err := c.WaitInvocation(ctx, someInvocation, time.Hour, &after)
			return err
		}},
		{"PUT " + i + "/inv-1/cancel", func(c *Client) error { _, err := c.Cancel(ctx, someInvocation); return err }},
		{"GET " + i + "?initial_offset=o&max_results=5&parent_function_name=g&parent_invocation_id=inv-0&status=RUNNING", func(c *Client) error {
			_, err := c.Invocations(ctx, someInvocation.Function, ListOptions{MaxResults: 5, Offset: "o", Phase: wire.InvocationRunning,
				Parent: &wire.ParentInvocation{FunctionName: "g", InvocationID: "inv-0"}})
			return err
		}},
		{"GET " + i + "/inv-1/executions/exe-1", func(c *Client) error { _, err := c.Execution(ctx, someInvocation, "exe-1"); return err }},
		{"GET " + i + "/inv-1/executions/exe-1/logs?initial_offset=o&max_lines=250", func(c *Client) error {
			_, err := c.Log(ctx, someInvocation, "exe-1", "o")
			return err
		}},
	} {
		var got string
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			got = r.Method + " " + r.RequestURI
			if body, _ := io.ReadAll(r.Body); len(body) > 0 {
				got += " " + string(body)
			}
			if auth := r.Header.Get("Authorization"); auth != "Bearer secret" {
				t.Errorf("%s: Authorization %q", got, auth)
			}
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/invocations") && r.Header.Get(wire.IdempotencyKeyHeader) != "key" {
				t.Errorf("%s: no idempotency key", got)
			}
			answer(w, http.StatusOK, struct{}{})
		})
		if err := c.call(client); err != nil {
			t.Errorf("%s: %v", c.want, err)
		}
		if got != c.want {
			t.Errorf("sent %s\nwant %s", got, c.want)
		}
	}
}

func TestErrorsOfTheContract(t *testing.T) {
	for _, want := range wire.Errors {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, want) })
		_, err := c.Project(t.Context(), "x")
		var got *Error
		if !errors.As(err, &got) || got.Name != want.Name || got.Status != want.Status || !errors.Is(err, want) {
			t.Errorf("%s arrives as %v", want.Name, err)
		}
	}
}

func TestOtherAnswers(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   string
	}{
		{422, `{"detail":[{"loc":["body","functions",0],"msg":"too long","type":"x"},{"loc":["query"],"msg":"no","type":"y"}]}`, "get project: body.functions.0: too long\nquery: no (HTTP 422)"},
		{422, `{"detail":"other input"}`, "get project: other input (HTTP 422)"},
		{413, `<html>proxy</html>`, "get project: request entity too large (HTTP 413)"},
		{500, ``, "get project: internal server error (HTTP 500)"},
		{400, `{"detail":{"odd":true}}`, "get project: bad request (HTTP 400)"},
		{200, `<html>`, "is not of a Multinode server"},
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		if _, err := client.Project(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %s: %v, want %s", c.status, c.body, err, c.want)
		}
	}
}

func TestRetries(t *testing.T) {
	get := func(c *Client) error { _, err := c.Project(context.Background(), "x"); return err }
	deploy := func(c *Client) error {
		_, err := c.Deploy(context.Background(), "x", wire.DeploymentDefinition{})
		return err
	}
	start := func(c *Client) error {
		_, err := c.Start(context.Background(), someInvocation.Function, wire.InvocationDefinition{}, "")
		return err
	}
	for _, c := range []struct {
		name  string
		call  func(*Client) error
		fail  func(http.ResponseWriter)
		tries int32
	}{
		{"a get is repeated when the connection breaks", get, abort, 3},
		{"a get is repeated on 502", get, status(502), 3},
		{"a get is not repeated on 500", get, status(500), 1},
		{"a get is not repeated on 404", get, status(404), 1},
		{"a start is repeated with the same key", start, abort, 3},
		{"a deployment is not repeated when the connection breaks", deploy, abort, 1},
		{"a deployment is not repeated on 504", deploy, status(504), 1},
		{"a deployment is repeated on 503", deploy, status(503), 3},
		{"a wait longer than the longest pause is left to the caller", get, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tries atomic.Int32
			keys := make(chan string, 10)
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				keys <- r.Header.Get(wire.IdempotencyKeyHeader)
				c.fail(w)
			})
			if err := c.call(client); err == nil {
				t.Error("no error")
			}
			if got := tries.Load(); got != c.tries {
				t.Errorf("%d tries, want %d", got, c.tries)
			}
			for first := <-keys; len(keys) > 0; {
				if key := <-keys; key != first {
					t.Errorf("key %q after %q", key, first)
				}
			}
		})
	}
}

func abort(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

func TestUploadIsOpenedAnewForEachTry(t *testing.T) {
	var bodies []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, fmt.Sprintf("%d:%s", r.ContentLength, body))
		if len(bodies) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answer(w, 200, wire.BundleInfo{Digest: "d", SizeBytes: 4})
	})
	info, err := c.PutBundle(t.Context(), "d", 4, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("code")), nil })
	if err != nil || info.SizeBytes != 4 {
		t.Fatal(info, err)
	}
	if len(bodies) != 2 || bodies[0] != "4:code" || bodies[1] != "4:code" {
		t.Errorf("bodies %q", bodies)
	}
	wrong := errors.New("gone")
	if _, err := c.PutBundle(t.Context(), "d", 4, func() (io.ReadCloser, error) { return nil, wrong }); !errors.Is(err, wrong) {
		t.Errorf("an archive that cannot be opened: %v", err)
	}
}

func TestBundleIsMissing(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	if has, err := c.HasBundle(t.Context(), "d"); has || err != nil {
		t.Errorf("HasBundle = %v, %v", has, err)
	}
}

func TestCancelWhoseAnswerWasLost(t *testing.T) {
	tries := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			answer(w, 200, wire.InvocationInfo{Status: wire.StatusCancelled})
			return
		}
		if tries++; tries == 1 {
			abort(w)
		}
		refuse(w, wire.InvocationIsAlreadyTerminated)
	})
	info, err := c.Cancel(t.Context(), someInvocation)
	if err != nil || info.Status != wire.StatusCancelled {
		t.Errorf("Cancel = %v, %v", info.Status, err)
	}
	if _, err := c.Cancel(t.Context(), someInvocation); !errors.Is(err, wire.InvocationIsAlreadyTerminated) {
		t.Errorf("a second cancel: %v", err)
	}
}

func TestAwaitGoesOnFromTheRevisionItKnows(t *testing.T) {
	var queries []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		info := wire.InvocationInfo{Status: wire.StatusRunning, Revision: uint64(len(queries))}
		if len(queries) == 3 {
			info.Status = wire.StatusFailed
		}
		answer(w, 200, info)
	})
	info, err := c.Await(t.Context(), someInvocation)
	if err != nil || info.Status != wire.StatusFailed {
		t.Fatal(info.Status, err)
	}
	if got := strings.Join(queries, " "); got != "wait=60 after=1&wait=60 after=2&wait=60" {
		t.Errorf("queries %s", got)
	}
}

func TestNobodyListens(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	c, err := New(Options{URL: server.URL, Retry: quick})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Projects(t.Context())
	var down *UnreachableError
	if !errors.As(err, &down) || down.URL != server.URL || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("err = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Projects(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller gave up: %v", err)
	}
}

func TestPauseGrowsAndStaysBounded(t *testing.T) {
	r := Retry{Attempts: 9, Base: 100 * time.Millisecond, Max: time.Second}
	for failures, limit := range []time.Duration{0: 0, 1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: time.Second, 60: time.Second} {
		if failures == 0 || limit == 0 {
			continue
		}
		for range 100 {
			if p := r.pause(failures); p < limit/2 || p > limit {
				t.Fatalf("pause(%d) = %v, want within %v and %v", failures, p, limit/2, limit)
			}
		}
	}
}
