package wire

// ResourceSpec is what one execution gets, and how many of them may run.
type ResourceSpec struct {
	VirtualCPUs float64 `json:"virtual_cpus" required:"true" exclusiveMinimum:"0" maximum:"16"`
	// MemoryGBs is in GiB, whatever its name says.
	MemoryGBs      float64 `json:"memory_gbs" required:"true" exclusiveMinimum:"0" maximum:"64"`
	MaxConcurrency int     `json:"max_concurrency" required:"true" minimum:"1" maximum:"100"`
}

// ExecutionSpec is how often and how long an invocation is tried.
type ExecutionSpec struct {
	MaxRetries int `json:"max_retries" required:"true" minimum:"0" maximum:"50"`
	// TimeoutSeconds counts from the start of the user's code.
	TimeoutSeconds int `json:"timeout_seconds" required:"true" minimum:"1" maximum:"86400"`
}

// FunctionSpec defines a function of a new version.
type FunctionSpec struct {
	FunctionName        string        `json:"function_name" required:"true" minLength:"1" maxLength:"1023"`
	DockerImageOverride *string       `json:"docker_image_override" maxLength:"1023"`
	ResourceSpec        ResourceSpec  `json:"resource_spec" required:"true"`
	ExecutionSpec       ExecutionSpec `json:"execution_spec" required:"true"`
}

// VersionDefinition makes a version whose code is in a container image.
type VersionDefinition struct {
	DefaultDockerImage string `json:"default_docker_image" required:"true" maxLength:"1023"`
	// Functions have distinct names.
	Functions []FunctionSpec `json:"functions" required:"true" nullable:"false" maxItems:"1000"`
}

// FunctionStatus says whether a function can run.
type FunctionStatus string

// The states of a function.
const (
	FunctionPending FunctionStatus = "PENDING"
	FunctionReady   FunctionStatus = "READY"
)

// Enum lists the values for the OpenAPI document.
func (FunctionStatus) Enum() []any { return []any{FunctionPending, FunctionReady} }

// PreparedFunctionDetails names what was prepared to run a function.
type PreparedFunctionDetails struct {
	Type       WorkerType `json:"type" required:"true"`
	Identifier string     `json:"identifier" required:"true"`
}

// FunctionInfo describes a function of a version.
type FunctionInfo struct {
	FunctionName string `json:"function_name" required:"true"`
	// DockerImage is empty where the code was deployed as a bundle.
	DockerImage             string                   `json:"docker_image" required:"true"`
	ResourceSpec            ResourceSpec             `json:"resource_spec" required:"true"`
	ExecutionSpec           ExecutionSpec            `json:"execution_spec" required:"true"`
	FunctionStatus          FunctionStatus           `json:"function_status" required:"true"`
	PreparedFunctionDetails *PreparedFunctionDetails `json:"prepared_function_details" required:"true"`
}

// VersionState says how far a version has been prepared.
type VersionState string

// The states of a version. A failed one stays failed.
const (
	VersionPreparing VersionState = "PREPARING"
	VersionReady     VersionState = "READY"
	VersionFailed    VersionState = "FAILED"
)

// Enum lists the values for the OpenAPI document.
func (VersionState) Enum() []any { return []any{VersionPreparing, VersionReady, VersionFailed} }

// VersionInfo describes a version.
type VersionInfo struct {
	ProjectName  string         `json:"project_name" required:"true"`
	VersionID    string         `json:"version_id" required:"true"`
	CreationTime int64          `json:"creation_time" required:"true"`
	Functions    []FunctionInfo `json:"functions" required:"true" nullable:"false"`
	State        VersionState   `json:"state" required:"true"`
	// Failure says why preparing failed, in the words of pip or Python.
	Failure *string `json:"failure" required:"true"`
}

// VersionSummary is a version in a list.
type VersionSummary struct {
	VersionID    string       `json:"version_id" required:"true"`
	CreationTime int64        `json:"creation_time" required:"true"`
	State        VersionState `json:"state" required:"true"`
}

// VersionsListForProject holds all versions of a project, newest first.
type VersionsListForProject struct {
	ProjectName string           `json:"project_name" required:"true"`
	Versions    []VersionSummary `json:"versions" required:"true" nullable:"false"`
}
