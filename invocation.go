package multinode

import "time"

// Status is the one explicit state of an invocation.
type Status string

// The states; see the package documentation for the diagram.
const (
	Pending    Status = "PENDING"
	Running    Status = "RUNNING"
	Cancelling Status = "CANCELLING"
	Succeeded  Status = "SUCCEEDED"
	Failed     Status = "FAILED"
	Cancelled  Status = "CANCELLED"
	TimedOut   Status = "TIMED_OUT"
)

// Terminal tells whether the status never changes again.
func (s Status) Terminal() bool {
	return s == Succeeded || s == Failed || s == Cancelled || s == TimedOut
}

// InvocationKey names an invocation everywhere in the system.
type InvocationKey struct {
	Project    string `json:"project"`
	Generation string `json:"generation"`
	Function   string `json:"function"`
	ID         string `json:"id"`
}

// Execution returns the key of one of the invocation's executions.
func (k InvocationKey) Execution(id string) ExecutionKey { return ExecutionKey{k, id} }

// ExecutionKey names an execution everywhere in the system.
type ExecutionKey struct {
	Invocation InvocationKey `json:"invocation"`
	ID         string        `json:"id"`
}

// Ancestor is a link of an invocation's lineage; it is in the same project.
type Ancestor struct {
	Function string `json:"function"`
	ID       string `json:"id"`
}

// Invocation is the record of one request to run a function: facts of bounded
// size only. Input, outputs and error texts are stored apart from it.
type Invocation struct {
	Key     InvocationKey `json:"key"`
	Version string        `json:"version"`
	// Spec is the function's, of the version that the request was accepted for.
	Spec FunctionSpec `json:"spec"`
	// Lineage names the ancestors, the root first and the parent last.
	Lineage []Ancestor `json:"lineage,omitempty"`
	// Sequence is the request's in its function's stream.
	Sequence  uint64    `json:"sequence"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Status    Status    `json:"status"`
	// CancelRequestedAt is when somebody first asked to cancel it or an ancestor.
	CancelRequestedAt *time.Time  `json:"cancel_requested_at,omitempty"`
	Executions        []Execution `json:"executions,omitempty"`
	// Waiting says why no worker has started, where more is known than that others
	// are ahead. It stays while the next one is being launched.
	Waiting *Waiting `json:"waiting,omitempty"`
}

// Waiting is the reason for which a launch was put off.
type Waiting struct {
	Reason string `json:"reason"`
	// Since is when the first of the launches in a row was put off.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// Parent returns the invocation that started this one, if any did.
func (i Invocation) Parent() (Ancestor, bool) {
	if len(i.Lineage) == 0 {
		return Ancestor{}, false
	}
	return i.Lineage[len(i.Lineage)-1], true
}

// Live returns the execution that has not ended; there is at most one.
func (i Invocation) Live() (Execution, bool) {
	if n := len(i.Executions); n > 0 && i.Executions[n-1].State != Ended {
		return i.Executions[n-1], true
	}
	return Execution{}, false
}

// Latest returns the newest execution.
func (i Invocation) Latest() (Execution, bool) {
	if n := len(i.Executions); n > 0 {
		return i.Executions[n-1], true
	}
	return Execution{}, false
}

// FailedAttempts counts the executions that used up a try.
func (i Invocation) FailedAttempts() int {
	n := 0
	for _, e := range i.Executions {
		if e.Outcome.CountsAsFailure() {
			n++
		}
	}
	return n
}

// ExecutionState says how far an execution has come.
type ExecutionState string

// An execution goes from Starting over ExecutionRunning to Ended, and may skip
// the middle.
const (
	Starting         ExecutionState = "STARTING"
	ExecutionRunning ExecutionState = "RUNNING"
	Ended            ExecutionState = "ENDED"
)

// Execution is one try of an invocation.
type Execution struct {
	ID string `json:"id"`
	// Place is where its worker was to be launched, in the words of the
	// provisioner there. Elsewhere nobody can look at it: only its beats tell.
	Place string         `json:"place,omitempty"`
	State ExecutionState `json:"state"`
	// Incarnation tells the worker that was let in from any other that claims
	// the same execution.
	Incarnation string      `json:"incarnation,omitempty"`
	Outcome     OutcomeKind `json:"outcome,omitempty"`
	CreatedAt   time.Time   `json:"created_at"`
	// StartedAt is when its worker was given the input.
	StartedAt *time.Time `json:"started_at,omitempty"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	// DoubtedAt is when its time was over by the clock of an adopter and not by the
	// word of its worker: from then on it is counted once more, and not again.
	DoubtedAt *time.Time `json:"doubted_at,omitempty"`
	// Interrupt is the first interrupt that was sent to it: it decides between
	// TIMED_OUT and CANCELLED.
	Interrupt     Desired    `json:"interrupt,omitempty"`
	InterruptedAt *time.Time `json:"interrupted_at,omitempty"`
	// Worker finds the worker again, in the words of the provisioner that
	// launched it: a kind and an ID.
	Worker *Worker `json:"worker,omitempty"`
}

// httpWorker begins the incarnations of workers that have nothing but HTTP.
const httpWorker = "http"

// NewHTTPIncarnation returns the incarnation of a worker that was let in over HTTP.
func NewHTTPIncarnation() string { return NewID(httpWorker) }

// OverHTTP tells whether the execution's worker has nothing but HTTP: then it
// neither beats nor hears what is wanted of it.
func (e Execution) OverHTTP() bool { return ValidID(httpWorker, e.Incarnation) }

// Worker is a provisioner's serialised handle on a worker.
type Worker struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}
