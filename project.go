package multinode

import "time"

// Project groups functions that are deployed together. The generation tells it
// from an earlier project of the same name.
type Project struct {
	Name       string    `json:"name"`
	Generation string    `json:"generation"`
	CreatedAt  time.Time `json:"created_at"`
	// DeletionRequestedAt is set by undeploy; the project disappears once
	// everything in flight has ended.
	DeletionRequestedAt *time.Time `json:"deletion_requested_at,omitempty"`
	// LatestVersion is the ID of the newest version that became ready; empty
	// before the first one did.
	LatestVersion string `json:"latest_version,omitempty"`
}

// Deleting tells whether the project is being undeployed.
func (p Project) Deleting() bool { return p.DeletionRequestedAt != nil }

// VersionState says how far a version has been prepared.
type VersionState string

// A version is prepared once; a failed one stays failed.
const (
	VersionPreparing VersionState = "PREPARING"
	VersionReady     VersionState = "READY"
	VersionFailed    VersionState = "FAILED"
)

// Version is one deployed state of a project's code.
type Version struct {
	ID         string         `json:"id"`
	Project    string         `json:"project"`
	Generation string         `json:"generation"`
	CreatedAt  time.Time      `json:"created_at"`
	State      VersionState   `json:"state"`
	Functions  []FunctionSpec `json:"functions,omitempty"`
	// Image is the default container image, where the deployer named one.
	Image string `json:"image,omitempty"`
	// Python is the version of it that the deployer asked for, such as "3.11"; empty
	// means whatever the compute has.
	Python string `json:"python,omitempty"`
	// Bundle is the SHA-256 digest of the code archive; empty where the code
	// comes within the image.
	Bundle string `json:"bundle,omitempty"`
	// Built are the container images that were made of the bundle, by digest: that of
	// a function by the image that it names for itself, and that of all others by "".
	// It is empty where no compute has needed images so far.
	Built map[string]string `json:"built,omitempty"`
	// Failure says why preparing failed, in the words of pip or Python.
	Failure string `json:"failure,omitempty"`
	// Claim says who prepares the version.
	Claim *Claim `json:"claim,omitempty"`
}

// BuiltFor returns the image of the function, or "" where none is made yet.
func (v Version) BuiltFor(function string) string {
	f, _ := v.Function(function)
	return v.Built[f.Image]
}

// Claim is a right to work on something that has to be renewed.
type Claim struct {
	By    string    `json:"by"`
	Until time.Time `json:"until"`
}

// Function returns the named function of the version.
func (v Version) Function(name string) (FunctionSpec, bool) {
	for _, f := range v.Functions {
		if f.Name == name {
			return f, true
		}
	}
	return FunctionSpec{}, false
}

// Activation notes from which request on a version serves a function: requests
// that name no version and were stored after AfterSequence run on it.
type Activation struct {
	Version       string `json:"version"`
	AfterSequence uint64 `json:"after_sequence"`
}

// Function is the deployed state of one function across versions.
type Function struct {
	Project    string `json:"project"`
	Generation string `json:"generation"`
	Name       string `json:"name"`
	// MaxConcurrency is that of the newest version: the quota is per function.
	MaxConcurrency int `json:"max_concurrency"`
	// Activations are ordered by AfterSequence.
	Activations []Activation `json:"activations"`
}

// VersionAt returns the version that a request with this stream sequence runs
// on when it names none, and false where it came before the first activation.
func (f Function) VersionAt(sequence uint64) (string, bool) {
	for i := len(f.Activations) - 1; i >= 0; i-- {
		if sequence > f.Activations[i].AfterSequence {
			return f.Activations[i].Version, true
		}
	}
	return "", false
}
