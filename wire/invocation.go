package wire

// IdempotencyKeyHeader carries 1 to 255 characters chosen by the client: starts
// with the same key and the same input give the same invocation.
const IdempotencyKeyHeader = "Idempotency-Key"

// MaxWait is the longest long-poll, in seconds.
const MaxWait = 60

// Largest pages of lists.
const (
	MaxInvocationsPage = 50
	MaxLogLinesPage    = 250
)

// ParentInvocation names the invocation that started another one.
type ParentInvocation struct {
	FunctionName string `json:"function_name" required:"true"`
	InvocationID string `json:"invocation_id" required:"true"`
}

// InvocationDefinition starts an invocation.
type InvocationDefinition struct {
	ParentInvocation *ParentInvocation `json:"parent_invocation"`
	// Input is the jsonpickle text of [args, kwargs].
	Input string `json:"input" required:"true" maxLength:"250000"`
}

// InvocationPhase is the state of an invocation in the words of release 1.0.1.
type InvocationPhase string

// The phases of an invocation.
const (
	InvocationRunning    InvocationPhase = "RUNNING"
	InvocationTerminated InvocationPhase = "TERMINATED"
)

// Enum lists the values for the OpenAPI document.
func (InvocationPhase) Enum() []any { return []any{InvocationRunning, InvocationTerminated} }

// Status is the one explicit state of an invocation.
type Status string

// The states of an invocation.
const (
	StatusPending    Status = "PENDING"
	StatusRunning    Status = "RUNNING"
	StatusCancelling Status = "CANCELLING"
	StatusSucceeded  Status = "SUCCEEDED"
	StatusFailed     Status = "FAILED"
	StatusCancelled  Status = "CANCELLED"
	StatusTimedOut   Status = "TIMED_OUT"
)

// Enum lists the values for the OpenAPI document.
func (Status) Enum() []any {
	return []any{
		StatusPending, StatusRunning, StatusCancelling, StatusSucceeded, StatusFailed, StatusCancelled, StatusTimedOut,
	}
}

// Terminal tells whether the status never changes again.
func (s Status) Terminal() bool {
	switch s {
	case StatusSucceeded, StatusFailed, StatusCancelled, StatusTimedOut:
		return true
	default:
		return false
	}
}

// ParentInvocationInfo describes the invocation that started another one.
type ParentInvocationInfo struct {
	FunctionName            string          `json:"function_name" required:"true"`
	InvocationID            string          `json:"invocation_id" required:"true"`
	CancellationRequestTime *int64          `json:"cancellation_request_time" required:"true"`
	InvocationStatus        InvocationPhase `json:"invocation_status" required:"true"`
	CreationTime            int64           `json:"creation_time" required:"true"`
	LastUpdateTime          int64           `json:"last_update_time" required:"true"`
}

// InvocationInfo describes an invocation. The fields up to Executions are chosen
// so that a client of release 1.0.1 derives Status from them; those after it say
// the plain truth.
type InvocationInfo struct {
	ProjectName             string                   `json:"project_name" required:"true"`
	VersionID               string                   `json:"version_id" required:"true"`
	FunctionName            string                   `json:"function_name" required:"true"`
	InvocationID            string                   `json:"invocation_id" required:"true"`
	ParentInvocation        *ParentInvocationInfo    `json:"parent_invocation" required:"true"`
	ResourceSpec            ResourceSpec             `json:"resource_spec" required:"true"`
	ExecutionSpec           ExecutionSpec            `json:"execution_spec" required:"true"`
	FunctionStatus          FunctionStatus           `json:"function_status" required:"true"`
	PreparedFunctionDetails *PreparedFunctionDetails `json:"prepared_function_details" required:"true"`
	Input                   string                   `json:"input" required:"true"`
	CancellationRequestTime *int64                   `json:"cancellation_request_time" required:"true"`
	InvocationStatus        InvocationPhase          `json:"invocation_status" required:"true"`
	CreationTime            int64                    `json:"creation_time" required:"true"`
	LastUpdateTime          int64                    `json:"last_update_time" required:"true"`
	// Executions has the newest first.
	Executions []ExecutionSummary `json:"executions" required:"true" nullable:"false"`

	Status Status `json:"status" required:"true"`
	// WaitingReason says why no user code is running, where it could be.
	WaitingReason *string `json:"waiting_reason" required:"true"`
	// Output is jsonpickle text: the final output, or the latest yield.
	Output *string `json:"output" required:"true"`
	// ErrorMessage is that of the newest execution.
	ErrorMessage *string `json:"error_message" required:"true"`
	// NumFailedAttempts counts the executions that used up a try.
	NumFailedAttempts int `json:"num_failed_attempts" required:"true"`
	// Revision grows with each change of the invocation's state; yields and logs
	// do not count. 0 means that nothing but its acceptance is recorded yet.
	Revision uint64 `json:"revision" required:"true"`
	// Children is null unless they were asked for.
	Children *Children `json:"children" required:"true"`
}

// InvocationSummary is an invocation in a list.
type InvocationSummary struct {
	InvocationID            string            `json:"invocation_id" required:"true"`
	ParentInvocation        *ParentInvocation `json:"parent_invocation" required:"true"`
	CancellationRequestTime *int64            `json:"cancellation_request_time" required:"true"`
	InvocationStatus        InvocationPhase   `json:"invocation_status" required:"true"`
	CreationTime            int64             `json:"creation_time" required:"true"`
	LastUpdateTime          int64             `json:"last_update_time" required:"true"`

	Status Status `json:"status" required:"true"`
}

// InvocationsListForFunction is a page of invocations, newest first.
type InvocationsListForFunction struct {
	ProjectName  string              `json:"project_name" required:"true"`
	VersionID    string              `json:"version_id" required:"true"`
	FunctionName string              `json:"function_name" required:"true"`
	Invocations  []InvocationSummary `json:"invocations" required:"true" nullable:"false"`
	// NextOffset is the initial_offset of the next page, null on the last one.
	NextOffset *string `json:"next_offset" required:"true"`
}
