package fakeecs

import (
	"io"
	"net/http"

	"golang.org/x/time/rate"
)

// failure is an error as the service sends it.
type failure struct {
	Status        int
	Type, Message string
}

// Fault is what goes wrong with one call. Only one field is set.
type Fault struct {
	// Error is answered instead of doing anything.
	Error *failure
	// Failure is the reason of the failures[] that RunTask answers with, without an
	// error.
	Failure string
	// CutAfter does what was asked and cuts the connection instead of answering.
	CutAfter bool
	// Silent takes the request and never answers.
	Silent bool
	// Stuck makes a task that leaves PENDING only when it is stopped, and StuckForGood
	// one that does not even then.
	Stuck, StuckForGood bool
	// Interrupted makes a task whose Spot capacity is taken back: before it starts,
	// or else as soon as it runs.
	Interrupted, InterruptedEarly bool
	// FailedToStart makes a task whose container cannot start, for this reason.
	FailedToStart string
}

// The faults that the service is known for.
var (
	Throttled       = Fault{Error: &failure{Type: "ThrottlingException", Message: "Rate exceeded"}}
	HiddenThrottle  = Fault{Error: &failure{Type: "InvalidParameterException", Message: "Rate exceeded"}}
	ServerError     = Fault{Error: &failure{Status: http.StatusInternalServerError, Type: "ServerException", Message: "Service Unavailable. Please try again later."}}
	AccessDenied    = Fault{Error: &failure{Type: "AccessDeniedException", Message: "User is not authorized to perform: ecs:RunTask"}}
	TooManyVCPUs    = Fault{Error: &failure{Type: "ClientException", Message: "You\u2019ve reached the limit on the number of vCPUs you can run concurrently"}}
	PassRoleRefused = Fault{Error: &failure{Type: "ClientException", Message: "ECS was unable to assume the role 'arn:aws:iam::123456789012:role/worker' that was provided for this task."}}
	NoMemory        = Fault{Failure: "RESOURCE:MEMORY"}
	NoCapacity      = Fault{Failure: "Capacity is unavailable at this time. Please try again later or in a different availability zone"}
	NoCapacityError = Fault{Error: &failure{Type: "ClientException", Message: "Capacity is unavailable at this time. Please try again later or in a different availability zone"}}
	LostAnswer      = Fault{CutAfter: true}
	Silence         = Fault{Silent: true}
	Stuck           = Fault{Stuck: true}
	StuckForGood    = Fault{StuckForGood: true}

	// Want of capacity that is found out only after RunTask has answered.
	LateNoCapacity   = Fault{FailedToStart: "Capacity is unavailable at this time. Please try again later or in a different availability zone"}
	SpotInterrupted  = Fault{Interrupted: true}
	SpotNeverStarted = Fault{InterruptedEarly: true}
	NoSuchImage      = Fault{FailedToStart: "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref registry.example/app@sha256:0: registry.example/app@sha256:0: not found"}
	RegistryTimeout  = Fault{FailedToStart: "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref: failed to do request: Head https://registry.example/v2/: dial tcp 10.0.0.1:443: i/o timeout"}
	NoLogGroup       = Fault{FailedToStart: "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist."}
	NoNetwork        = Fault{FailedToStart: "Timeout waiting for network interface provisioning to complete."}
)

// CutAfterwards loses the answers to all three tries of the SDK.
var CutAfterwards = []Fault{LostAnswer, LostAnswer, LostAnswer}

// Inject makes the next calls of the operation fail, one fault each, in order.
func (s *Server) Inject(operation string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[operation] = append(s.faults[operation], faults...)
}

// Calls returns how often an operation was asked for.
func (s *Server) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// Throttled returns how often an operation was refused for its rate.
func (s *Server) Throttled(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.throttled[operation]
}

func (s *Server) nextFault(operation string) Fault {
	queue := s.faults[operation]
	if len(queue) == 0 {
		return Fault{}
	}
	s.faults[operation] = queue[1:]
	return queue[0]
}

// forTask carries to runTask what is to become of the task.
func (f Fault) forTask() *task {
	if f == (Fault{}) || f.Error != nil || f.CutAfter || f.Silent {
		return nil
	}
	return &task{fault: f}
}

// The rates of the service, by what they are for.
var rates = map[string]struct {
	group string
	limit rate.Limit
	burst int
}{
	"RunTask":                {"launch", 20, 100},
	"StopTask":               {"stop", 40, 100},
	"DescribeTasks":          {"read", 20, 100},
	"ListTasks":              {"read", 20, 100},
	"RegisterTaskDefinition": {"register", 1, 1},
}

func (s *Server) throttle(operation string) *failure {
	r, limited := rates[operation]
	if !s.options.Limits || !limited {
		return nil
	}
	limiter := s.limits[r.group]
	if limiter == nil {
		limiter = rate.NewLimiter(r.limit, r.burst)
		s.limits[r.group] = limiter
	}
	if limiter.AllowN(s.options.Clock.Now(), 1) {
		return nil
	}
	s.throttled[operation]++
	return Throttled.Error
}

func readAll(r *http.Request) []byte {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	return body
}
