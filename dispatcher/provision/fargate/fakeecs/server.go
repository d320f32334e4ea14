package fakeecs

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/time/rate"
)

// Options of a Server. The zero value starts stubs at once, without limits.
type Options struct {
	// Clock is what states, limits and memory go by. Nil means the machine's.
	Clock clockwork.Clock
	// Run runs the container of each task. Nil means Stubs.
	Run Runner
	// Starting is the time from RunTask until the container runs.
	Starting time.Duration
	// Late is the time from the end of the container until the task is STOPPED.
	Late time.Duration
	// Visible is how long a new task stays unseen by ListTasks and DescribeTasks.
	Visible time.Duration
	// KeepEvents keeps all events, for Server.Events.
	KeepEvents bool
	// Limits enforces the service's rates: 20 launches a second after a burst of 100,
	// 20 reads after 100, one registration a second.
	Limits bool
}

// Server is a fake of one account in one region, with one cluster.
type Server struct {
	URL string

	options Options
	http    *httptest.Server
	runs    sync.WaitGroup

	mu          sync.Mutex
	changed     chan struct{}
	tasks       []*task
	byARN       map[string]*task
	definitions map[string][]*definition
	tokens      map[string]*remembered
	faults      map[string][]Fault
	calls       map[string]int
	throttled   map[string]int
	limits      map[string]*rate.Limiter
	queue       []*message
	events      []string
	dead        []string
	logs        map[string][]string
	receipts    int
}

// What the one cluster of the account is called.
const (
	Region     = "eu-central-1"
	Account    = "123456789012"
	Cluster    = "workers"
	ClusterARN = "arn:aws:ecs:" + Region + ":" + Account + ":cluster/" + Cluster
	LogGroup   = "/multinode/workers"
)

// memory is how long the service remembers a task after its stop, and its token.
const memory = time.Hour

// New starts a server; Close ends it.
func New(options Options) *Server {
	if options.Clock == nil {
		options.Clock = clockwork.NewRealClock()
	}
	if options.Run == nil {
		options.Run = Stubs
	}
	s := &Server{
		options:     options,
		changed:     make(chan struct{}),
		byARN:       map[string]*task{},
		definitions: map[string][]*definition{},
		tokens:      map[string]*remembered{},
		faults:      map[string][]Fault{},
		calls:       map[string]int{},
		throttled:   map[string]int{},
		limits:      map[string]*rate.Limiter{},
		logs:        map[string][]string{},
	}
	s.http = httptest.NewServer(s)
	s.URL = s.http.URL
	return s
}

// Close kills what still runs and ends the server.
func (s *Server) Close() {
	s.mu.Lock()
	for _, t := range s.tasks {
		t.killLocked()
	}
	s.mu.Unlock()
	s.http.CloseClientConnections()
	s.http.Close()
	s.runs.Wait()
}

// operation answers a request, with the lock held.
type operation func(s *Server, body []byte) (any, *failure)

var operations = map[string]operation{
	"RunTask":                  decoded((*Server).runTask),
	"StopTask":                 decoded((*Server).stopTask),
	"DescribeTasks":            decoded((*Server).describeTasks),
	"ListTasks":                decoded((*Server).listTasks),
	"RegisterTaskDefinition":   decoded((*Server).register),
	"DescribeTaskDefinition":   decoded((*Server).describeDefinition),
	"DeregisterTaskDefinition": decoded((*Server).deregister),
	"ReceiveMessage":           decoded((*Server).receive),
	"DeleteMessage":            decoded((*Server).deleteMessage),
	"DeleteMessageBatch":       decoded((*Server).deleteMessages),
	"GetLogEvents":             decoded((*Server).logEvents),
	"GetAuthorizationToken":    decoded((*Server).authorize),
}

func decoded[In any](do func(*Server, In) (any, *failure)) operation {
	return func(s *Server, body []byte) (any, *failure) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, &failure{Type: "SerializationException", Message: err.Error()}
		}
		return do(s, in)
	}
}

// ServeHTTP speaks AWS JSON: the operation is in a header, errors have a type.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	_, name, _ := strings.Cut(target, ".")
	body := readAll(r)
	answer, fail, cut := s.answer(name, body, r)
	if cut {
		if hijacker, ok := w.(http.Hijacker); ok {
			if conn, _, err := hijacker.Hijack(); err == nil {
				_ = conn.Close()
			}
		}
		return
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	if fail != nil {
		status := fail.Status
		if status == 0 {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
		answer = map[string]string{"__type": fail.Type, "message": fail.Message}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) answer(name string, body []byte, r *http.Request) (any, *failure, bool) {
	if name == "ReceiveMessage" {
		s.awaitMessage(body, r)
		if r.Context().Err() != nil {
			return nil, nil, true // who asked has gone, and must not take a message along
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[name]++
	do, ok := operations[name]
	if !ok {
		return nil, &failure{Type: "UnknownOperationException", Message: name + " is not part of this fake"}, false
	}
	fault := s.nextFault(name)
	if fault.Error != nil {
		return nil, fault.Error, false
	}
	if fault.Silent {
		s.mu.Unlock()
		<-r.Context().Done()
		s.mu.Lock()
		return nil, nil, true
	}
	if fail := s.throttle(name); fail != nil {
		return nil, fail, false
	}
	if in := fault.forTask(); in != nil {
		s.byARN[""] = in // seen by runTask, and taken away at once
		defer delete(s.byARN, "")
	}
	answer, fail := do(s, body)
	return answer, fail, fault.CutAfter
}

// wake tells those who wait that something changed. The lock is held.
func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
