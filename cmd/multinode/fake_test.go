package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode/cmd/multinode/internal/config"
	"multinode/wire"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "runner" {
		main() // a server under test starts this program as its worker
	}
	if dir := os.Getenv(serveVariable); dir != "" {
		os.Exit(serveAlone(dir))
	}
	time.Local = time.UTC // so that printed times are the same everywhere
	os.Exit(withEnvironments(m.Run))
}

// environments is shared by the servers of all tests: they have the same few
// requirements, and to install them takes long.
var environments string

func withEnvironments(test func() int) int {
	var err error
	if environments, err = os.MkdirTemp("", "multinode-environments-"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(environments)
	return test()
}

// fake is a server that answers what a test says.
type fake struct {
	t        *testing.T
	url      string
	mu       sync.Mutex
	requests []string // method, path and body of each
	handlers map[string]http.HandlerFunc
}

// newFake starts a server without any answers: it fails the test when it is asked
// for something.
func newFake(t *testing.T) *fake {
	f := &fake{t: t, handlers: map[string]http.HandlerFunc{}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("Content-Type") == "application/gzip" {
		body = []byte("(bundle)")
	}
	route := r.Method + " " + r.URL.Path
	f.mu.Lock()
	f.requests = append(f.requests, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
	handler := f.handlers[route]
	if handler == nil {
		handler = f.handlers[r.Method+" "+r.URL.Path[:strings.LastIndexByte(r.URL.Path, '/')+1]]
	}
	f.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer the-key" {
		reply(w, 403, wire.ErrorBody{Detail: "The API key is invalid"})
		return
	}
	if handler == nil {
		f.t.Errorf("the server was asked for %s", route)
		w.WriteHeader(http.StatusTeapot)
		return
	}
	handler(w, r)
}

func (f *fake) on(route string, handler http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[route] = handler
}

// answers makes a route answer a document, or an error of the contract.
func (f *fake) answers(route string, body any) {
	f.on(route, func(w http.ResponseWriter, _ *http.Request) {
		if e, ok := body.(*wire.Error); ok {
			reply(w, e.Status, wire.ErrorBody{Detail: e.Detail})
			return
		}
		reply(w, 200, body)
	})
}

// asked returns the requests so far.
func (f *fake) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func sendEvent(w http.ResponseWriter, name string, data any) {
	text, _ := json.Marshal(data)
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, text)
	w.(http.Flusher).Flush()
}

// events makes a route a stream of these events: name, data, name, data.
func (f *fake) events(route string, pairs ...any) {
	f.on(route, func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(pairs); i += 2 {
			sendEvent(w, pairs[i].(string), pairs[i+1])
		}
	})
}

// shell is what a test types commands into.
type shell struct {
	t          *testing.T
	home       string
	env        map[string]string
	in         string
	stdin      io.Reader // instead of in
	interrupts chan os.Signal
	stderr     io.Writer // beside the one that is returned
	poll       time.Duration
}

// newShell is logged in to the server, unless that is nil.
func newShell(t *testing.T, f *fake) *shell {
	s := &shell{t: t, home: t.TempDir(), env: map[string]string{}, interrupts: make(chan os.Signal, 4), stderr: io.Discard, poll: time.Millisecond}
	if f != nil {
		if err := config.At(s.home).Save(config.Login{URL: f.url, Key: "the-key"}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run runs the program once.
func (s *shell) run(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	var out, err bytes.Buffer
	in := s.stdin
	if in == nil {
		in = strings.NewReader(s.in)
	}
	code = run(s.t.Context(), args, console{
		in: in, out: &out, err: io.MultiWriter(&err, s.stderr),
		getenv: func(name string) string { return s.env[name] },
		home:   s.home, interrupts: s.interrupts, environments: environments, poll: s.poll,
	})
	return code, out.String(), err.String()
}

// expect runs the program and compares all that it says.
func (s *shell) expect(code int, stdout, stderr string, args ...string) {
	s.t.Helper()
	gotCode, gotOut, gotErr := s.run(args...)
	command := "multinode " + strings.Join(args, " ")
	if gotCode != code {
		s.t.Errorf("%s: exit code %d, want %d", command, gotCode, code)
	}
	compare(s.t, command+": stdout", gotOut, stdout)
	compare(s.t, command+": stderr", gotErr, stderr)
}

func compare(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}
