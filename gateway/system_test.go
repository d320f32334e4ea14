package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/gateway"
	"multinode/streams"
	"multinode/streams/index"
	"multinode/wire"
)

const adminKey = "test-admin-key"

// system is a gateway with all that it needs, served over real HTTP.
type system struct {
	t      *testing.T
	nats   *embedded.Server
	store  *streams.Store
	index  *index.Index
	serves *gateway.Gateway
	url    string
	key    string
	served chan error
	logs   *lockedBuffer
}

func start(t *testing.T, change ...func(*gateway.Options)) *system {
	t.Helper()
	t.Parallel()
	return startOn(t, embeddedtest.Start(t), change...)
}

func startOn(t *testing.T, server *embedded.Server, change ...func(*gateway.Options)) *system {
	t.Helper()
	s := &system{t: t, key: adminKey, nats: server, served: make(chan error, 1)}
	nc, err := s.nats.Connect("gateway")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if s.store, err = streams.Open(t.Context(), nc, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.store.Close)
	if s.index, err = index.Open(filepath.Join(t.TempDir(), "index"), s.store, nil); err != nil {
		t.Fatal(err)
	}
	fed := make(chan error, 1)
	go func() { fed <- s.index.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		if err := errors.Join(s.index.Close(), <-fed); err != nil {
			t.Errorf("the index: %v", err)
		}
	})
	if err := s.store.PutKey(t.Context(), adminKey, "test", streams.RoleAdmin, ""); err != nil {
		t.Fatal(err)
	}
	s.serve(change...)
	return s
}

func (s *system) serve(change ...func(*gateway.Options)) {
	s.t.Helper()
	s.logs = &lockedBuffer{}
	o := gateway.DefaultOptions()
	o.Store, o.Index = s.store, s.index
	o.Logger = slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range change {
		c(&o)
	}
	g, err := gateway.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.serves, s.url = g, "http://"+listener.Addr().String()
	go func() { s.served <- g.Serve(listener) }()
	s.t.Cleanup(func() {
		if err := g.Close(); err != nil {
			s.t.Errorf("close the gateway: %v", err)
		}
	})
}

// lockedBuffer is written by the gateway and read by the test.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func (s *system) as(key string) *system {
	other := *s
	other.key = key
	return &other
}

// answer is what came back of a request.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   []byte
}

func (s *system) request(method, path string, body io.Reader, header ...string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (s *system) send(r *http.Request) answer {
	s.t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{s.t, r.Method + " " + r.URL.Path, response.StatusCode, response.Header, data}
}

// do sends a request; a body that is no reader and no text is sent as JSON.
func (s *system) do(method, path string, body any, header ...string) answer {
	s.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		reader = b
	case string:
		reader = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			s.t.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	return s.send(s.request(method, path, reader, header...))
}

func (s *system) get(path string) answer { s.t.Helper(); return s.do(http.MethodGet, path, nil) }
func (s *system) put(path string) answer { s.t.Helper(); return s.do(http.MethodPut, path, nil) }

// is checks the status and decodes the body.
func (a answer) is(status int, into any) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	if into != nil {
		decoder := json.NewDecoder(bytes.NewReader(a.body))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(into); err != nil {
			a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
		}
	}
	return a
}

// fails checks for an error of the contract.
func (a answer) fails(want *wire.Error) {
	a.t.Helper()
	a.failsWith(want.Status, want.Detail)
}

func (a answer) failsWith(status int, detail string) {
	a.t.Helper()
	var body wire.ErrorBody
	a.is(status, &body)
	if !strings.Contains(body.Detail, detail) {
		a.t.Fatalf("%s: detail %q, want %q", a.what, body.Detail, detail)
	}
}

// violates checks for one complaint about the request's shape.
func (a answer) violates(location, kind string) {
	a.t.Helper()
	var body wire.ValidationBody
	a.is(http.StatusUnprocessableEntity, &body)
	for _, v := range body.Detail {
		data, err := json.Marshal(v.Location)
		if err != nil {
			a.t.Fatal(err)
		}
		if string(data) == location && v.Type == kind && v.Message != "" {
			return
		}
	}
	a.t.Fatalf("%s: no %s at %s: %s", a.what, kind, location, a.body)
}

func spec(name string) multinode.FunctionSpec {
	return multinode.FunctionSpec{
		Name: name, CPU: 0.5, MemoryGiB: 0.25, MaxConcurrency: 2, MaxRetries: 1, Timeout: time.Hour,
	}
}

// deploy makes a ready version with these functions serve, as a dispatcher does.
func (s *system) deploy(project string, functions ...multinode.FunctionSpec) (multinode.Project, multinode.Version) {
	s.t.Helper()
	ctx := s.t.Context()
	p, err := s.store.Project(ctx, project)
	if errors.Is(err, streams.ErrNotFound) {
		p, err = s.store.CreateProject(ctx, project)
	}
	s.must(err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionReady, Functions: functions,
	}
	s.must(s.store.CreateVersion(ctx, v, nil))
	s.must(s.store.Activate(ctx, v))
	p, err = s.store.UpdateProject(ctx, p.Name, p.Generation, func(p *multinode.Project) error {
		p.LatestVersion = v.ID
		return nil
	})
	s.must(err)
	return p, v
}

func (s *system) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// invoke starts an invocation of p/f and returns its path and key.
func (s *system) invoke(p multinode.Project, function, input string) (string, multinode.InvocationKey) {
	s.t.Helper()
	var info wire.InvocationInfo
	path := functionPath(p.Name, "latest", function) + "/invocations"
	s.do(http.MethodPost, path, wire.InvocationDefinition{Input: input}).is(http.StatusOK, &info)
	return path + "/" + info.InvocationID, multinode.InvocationKey{
		Project: p.Name, Generation: p.Generation, Function: function, ID: info.InvocationID,
	}
}

func functionPath(project, version, function string) string {
	return "/projects/" + project + "/versions/" + version + "/functions/" + function
}

// apply plays the dispatcher.
func (s *system) apply(k multinode.InvocationKey, events ...multinode.Event) multinode.Invocation {
	s.t.Helper()
	record, _, err := s.store.Apply(s.t.Context(), k, events...)
	s.must(err)
	return record
}

// run brings an invocation to RUNNING and returns its execution.
func (s *system) run(k multinode.InvocationKey) multinode.ExecutionKey {
	s.t.Helper()
	_, _, err := s.store.Record(s.t.Context(), k) // makes the record where it is missing yet
	s.must(err)
	id, now := multinode.NewID(multinode.ExecutionPrefix), time.Now().UTC()
	s.apply(k, multinode.LaunchIntended{Execution: id, At: now},
		multinode.WorkerLaunched{Execution: id, Worker: multinode.Worker{Kind: "process", ID: "42"}, At: now},
		multinode.WorkerStarted{Execution: id, Incarnation: "a", At: now})
	return k.Execution(id)
}

// end stores an outcome and settles the execution by it.
func (s *system) end(k multinode.ExecutionKey, o multinode.Outcome) {
	s.t.Helper()
	_, _, err := s.store.PutOutcome(s.t.Context(), k, o)
	s.must(err)
	s.apply(k.Invocation, multinode.ExecutionEnded{Execution: k.ID, Outcome: o.Kind, At: time.Now().UTC()})
}

// event is a server-sent event.
type event struct {
	name string
	data []byte
}

// events opens an event stream. The channel is closed at its end.
func (s *system) events(path string) <-chan event {
	s.t.Helper()
	response, err := http.DefaultClient.Do(s.request(http.MethodGet, path, nil))
	s.must(err)
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		data, _ := io.ReadAll(response.Body)
		s.t.Fatalf("GET %s: %s %s: %s", path, response.Status, response.Header.Get("Content-Type"), data)
	}
	s.t.Cleanup(func() { _ = response.Body.Close() })
	events := make(chan event, 1000)
	go func() {
		defer close(events)
		var e event
		scanner := bufio.NewScanner(response.Body)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			switch line := scanner.Text(); {
			case line == "" && e.name != "":
				events <- e
				e = event{}
			case strings.HasPrefix(line, "event: "):
				e.name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				e.data = []byte(line[len("data: "):])
			case strings.HasPrefix(line, ":"):
				events <- event{name: ":"}
			}
		}
	}()
	return events
}

// next returns the next event of this name.
func next[T any](t *testing.T, events <-chan event, name string) T {
	t.Helper()
	var value T
	deadline := time.After(20 * time.Second)
	for {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("the event stream ended before %q", name)
			}
			if e.name != name {
				continue
			}
			if err := json.Unmarshal(e.data, &value); err != nil && e.data != nil {
				t.Fatal(err)
			}
			return value
		case <-deadline:
			t.Fatalf("no event %q came", name)
		}
	}
}

// closes waits for the end of an event stream.
func closes(t *testing.T, events <-chan event) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case _, open := <-events:
			if !open {
				return
			}
		case <-deadline:
			t.Fatal("the event stream did not end")
		}
	}
}

func decode[T any](t *testing.T, e event) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(e.data, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
