package wire

// WorkerStatus says how far an execution's worker has come.
type WorkerStatus string

// The states of a worker.
const (
	WorkerPending      WorkerStatus = "PENDING"
	WorkerProvisioning WorkerStatus = "PROVISIONING"
	WorkerRunning      WorkerStatus = "RUNNING"
	WorkerTerminated   WorkerStatus = "TERMINATED"
)

// Enum lists the values for the OpenAPI document.
func (WorkerStatus) Enum() []any {
	return []any{WorkerPending, WorkerProvisioning, WorkerRunning, WorkerTerminated}
}

// WorkerType is a kind of worker, in the words that release 1.0.1 can read.
type WorkerType string

// The types of workers. Every kind that release 1.0.1 does not know is a
// WorkerTest; WorkerDetails.Kind says what it really is.
const (
	WorkerTest   WorkerType = "TEST"
	WorkerAWSECS WorkerType = "AWS_ECS"
)

// Enum lists the values for the OpenAPI document.
func (WorkerType) Enum() []any { return []any{WorkerTest, WorkerAWSECS} }

// WorkerDetails names an execution's worker.
type WorkerDetails struct {
	Type           WorkerType `json:"type" required:"true"`
	Identifier     string     `json:"identifier" required:"true"`
	LogsIdentifier string     `json:"logs_identifier" required:"true"`
	// Kind is the provisioner's own word, such as "process".
	Kind string `json:"kind" required:"true"`
}

// Outcome is how an execution ended, in the words of release 1.0.1.
type Outcome string

// The outcomes of an execution.
const (
	OutcomeSucceeded Outcome = "SUCCEEDED"
	OutcomeFailed    Outcome = "FAILED"
	OutcomeAborted   Outcome = "ABORTED"
)

// Enum lists the values for the OpenAPI document.
func (Outcome) Enum() []any { return []any{OutcomeSucceeded, OutcomeFailed, OutcomeAborted} }

// ExecutionSummary describes an execution within its invocation.
type ExecutionSummary struct {
	ExecutionID           string         `json:"execution_id" required:"true"`
	WorkerStatus          WorkerStatus   `json:"worker_status" required:"true"`
	WorkerDetails         *WorkerDetails `json:"worker_details" required:"true"`
	TerminationSignalTime *int64         `json:"termination_signal_time" required:"true"`
	Outcome               *Outcome       `json:"outcome" required:"true"`
	Output                *string        `json:"output" required:"true"`
	ErrorMessage          *string        `json:"error_message" required:"true"`
	CreationTime          int64          `json:"creation_time" required:"true"`
	LastUpdateTime        int64          `json:"last_update_time" required:"true"`
	ExecutionStartTime    *int64         `json:"execution_start_time" required:"true"`
	ExecutionFinishTime   *int64         `json:"execution_finish_time" required:"true"`
}

// ExecutionInfo describes an execution by itself, with what its worker needs.
type ExecutionInfo struct {
	ProjectName             string                   `json:"project_name" required:"true"`
	VersionID               string                   `json:"version_id" required:"true"`
	FunctionName            string                   `json:"function_name" required:"true"`
	InvocationID            string                   `json:"invocation_id" required:"true"`
	Input                   string                   `json:"input" required:"true"`
	CancellationRequestTime *int64                   `json:"cancellation_request_time" required:"true"`
	ResourceSpec            ResourceSpec             `json:"resource_spec" required:"true"`
	ExecutionSpec           ExecutionSpec            `json:"execution_spec" required:"true"`
	FunctionStatus          FunctionStatus           `json:"function_status" required:"true"`
	PreparedFunctionDetails *PreparedFunctionDetails `json:"prepared_function_details" required:"true"`
	// InvocationCreationTime is the execution's start: a worker of release 1.0.1
	// counts its timeout from it.
	InvocationCreationTime int64 `json:"invocation_creation_time" required:"true"`
	ExecutionSummary
}

// ExecutionTemporaryResult is the body of an execution's update.
type ExecutionTemporaryResult struct {
	LatestOutput string `json:"latest_output" required:"true" maxLength:"250000"`
}

// ExecutionFinalResult is the body of an execution's finish.
type ExecutionFinalResult struct {
	Outcome     Outcome `json:"outcome" required:"true"`
	FinalOutput *string `json:"final_output" maxLength:"250000"`
	// ErrorMessage is required when, and only when, the outcome is FAILED.
	ErrorMessage *string `json:"error_message" maxLength:"16384"`
}

// ExecutionLogs is a page of an execution's log, oldest line first.
type ExecutionLogs struct {
	ProjectName  string   `json:"project_name" required:"true"`
	VersionID    string   `json:"version_id" required:"true"`
	FunctionName string   `json:"function_name" required:"true"`
	InvocationID string   `json:"invocation_id" required:"true"`
	ExecutionID  string   `json:"execution_id" required:"true"`
	LogLines     []string `json:"log_lines" required:"true" nullable:"false"`
	// NextOffset is the initial_offset of the next page, null on the last one.
	NextOffset *string `json:"next_offset" required:"true"`
}
