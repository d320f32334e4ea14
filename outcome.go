package multinode

import "time"

// OutcomeKind says how an execution ended.
type OutcomeKind string

// The ways an execution ends. The first four a worker says of itself; Lost,
// OutOfMemory and LaunchFailed are a dispatcher's verdict.
const (
	OutcomeSucceeded    OutcomeKind = "SUCCEEDED"
	OutcomeFailed       OutcomeKind = "FAILED"
	OutcomeCancelled    OutcomeKind = "CANCELLED"
	OutcomeTimedOut     OutcomeKind = "TIMED_OUT"
	OutcomeLost         OutcomeKind = "LOST"
	OutcomeOutOfMemory  OutcomeKind = "OUT_OF_MEMORY"
	OutcomeLaunchFailed OutcomeKind = "LAUNCH_FAILED"
)

// Valid tells whether the kind is one of the known ones.
func (k OutcomeKind) Valid() bool {
	switch k {
	case OutcomeSucceeded, OutcomeFailed, OutcomeCancelled, OutcomeTimedOut,
		OutcomeLost, OutcomeOutOfMemory, OutcomeLaunchFailed:
		return true
	}
	return false
}

// CountsAsFailure tells whether an execution that ended so used up a try.
func (k OutcomeKind) CountsAsFailure() bool {
	return k == OutcomeFailed || k == OutcomeLost || k == OutcomeOutOfMemory || k == OutcomeLaunchFailed
}

// Outcome is what is stored, once, of an execution's end.
type Outcome struct {
	Kind OutcomeKind
	// Output is jsonpickle text, at most MaxOutput code points. It may come with
	// any kind: interrupted code may still return something.
	Output []byte
	// Error is for people, at most MaxErrorMessage code points.
	Error string
}

// Desired is what the dispatcher wants of a worker.
type Desired string

// Run lets it go on, Cancel and TimeOut interrupt the user's code and leave it
// Grace to end, Leave ends the worker at once and for good.
const (
	Run     Desired = "run"
	Cancel  Desired = "cancel"
	TimeOut Desired = "time_out"
	Leave   Desired = "leave"
)

// Phase says what a worker is doing.
type Phase string

// The phases of a worker.
const (
	PhaseStarting  Phase = "starting"
	PhaseRunning   Phase = "running"
	PhaseFinishing Phase = "finishing"
)

// Beat is a worker's sign of life.
type Beat struct {
	Phase Phase `json:"phase"`
	// Elapsed is how long the user's code has been running.
	Elapsed time.Duration `json:"elapsed"`
	// Interrupted is the interrupt that the user's code has been given, if any.
	Interrupted Desired `json:"interrupted,omitempty"`
}

// Assignment is what a worker is to do.
type Assignment struct {
	Key     ExecutionKey  `json:"key"`
	Version string        `json:"version"`
	Timeout time.Duration `json:"timeout"`
	// Environment holds the values of the project's .env file.
	Environment map[string]string `json:"environment,omitempty"`
	// Input is jsonpickle text of [args, kwargs]; it travels apart from the rest.
	Input []byte `json:"-"`
}

// LogLine is one line of an execution's output, without its line feed.
type LogLine struct {
	Time time.Time `json:"time"`
	// Stream is "stdout", "stderr" or "system".
	Stream string `json:"stream"`
	Text   string `json:"text"`
}
