package wire

import "time"

// Names of server-sent events. The data of each is one JSON document.
const (
	// EventStatus carries an InvocationInfo, first at once and then per change.
	EventStatus = "status"
	// EventYield carries a YieldEvent.
	EventYield = "yield"
	// EventLog carries a LogEvent.
	EventLog = "log"
	// EventEnd carries an InvocationInfo that is terminal (for the log of one
	// execution an ExecutionInfo that has ended), and is the last.
	EventEnd = "end"
	// EventProgress carries a ProgressEvent of a deployment.
	EventProgress = "progress"
	// EventReady carries the VersionInfo of a deployment and is the last.
	EventReady = "ready"
	// EventFailed carries an ErrorBody and is the last.
	EventFailed = "failed"
)

// YieldEvent is the latest output of an execution.
type YieldEvent struct {
	ExecutionID string `json:"execution_id" required:"true"`
	Output      string `json:"output" required:"true"`
}

// LogEvent is a batch of lines that an execution wrote.
type LogEvent struct {
	ExecutionID string    `json:"execution_id" required:"true"`
	Lines       []LogLine `json:"lines" required:"true" nullable:"false"`
}

// LogLine is one line of an execution's output, without its line feed.
type LogLine struct {
	Time time.Time `json:"time" required:"true"`
	// Stream is "stdout", "stderr" or "system".
	Stream string `json:"stream" required:"true"`
	Text   string `json:"text" required:"true"`
}

// ProgressEvent is a line about how far a deployment is.
type ProgressEvent struct {
	Line string `json:"line" required:"true"`
}
