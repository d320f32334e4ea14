package multinode

import "time"

// Event is a fact that may change an invocation's record. Every kind is a type
// of its own; Next is the only place that says what each does.
type Event interface{ event() }

// Accepted makes the record of a request that is stored in its stream.
type Accepted struct {
	Key      InvocationKey
	Version  string
	Spec     FunctionSpec
	Lineage  []Ancestor
	Sequence uint64
	// At is when the request was stored.
	At time.Time
}

// LaunchIntended adds an execution, before anything is launched for it.
type LaunchIntended struct {
	Execution string
	// Place is where its worker is to run: see Execution.Place.
	Place string
	At    time.Time
}

// LaunchDeferred takes an intended execution back: there was no capacity, or the
// launch failed for a reason of ours. It uses up no try.
type LaunchDeferred struct {
	Execution string
	// Reason is shown to whoever asks why the invocation is waiting.
	Reason string
	Until  time.Time
	At     time.Time
}

// WorkerLaunched notes how to find the execution's worker again.
type WorkerLaunched struct {
	Execution string
	Worker    Worker
	At        time.Time
}

// WorkerStarted says that a worker announced itself and may have the input.
type WorkerStarted struct {
	Execution string
	// Incarnation is chosen by the worker at its start. Only the first one to
	// announce itself for an execution is let in.
	Incarnation string
	At          time.Time
}

// CancelRequested asks for the end of the invocation.
type CancelRequested struct{ At time.Time }

// Doubted notes that the time of the execution's code is over by the clock of a
// dispatcher that adopted it, and not by the word of its worker. Either may be wrong.
// Only the first doubt counts.
type Doubted struct {
	Execution string
	At        time.Time
}

// Interrupted notes that the execution is to be told to stop, and why. Only the
// first interrupt counts.
type Interrupted struct {
	Execution string
	// Why is Cancel or TimeOut.
	Why Desired
	At  time.Time
}

// ExecutionEnded applies the stored outcome of an execution.
type ExecutionEnded struct {
	Execution string
	Outcome   OutcomeKind
	At        time.Time
}

func (Accepted) event()        {}
func (LaunchIntended) event()  {}
func (LaunchDeferred) event()  {}
func (WorkerLaunched) event()  {}
func (WorkerStarted) event()   {}
func (CancelRequested) event() {}
func (Doubted) event()         {}
func (Interrupted) event()     {}
func (ExecutionEnded) event()  {}
