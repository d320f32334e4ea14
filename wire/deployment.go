package wire

// MaxBundle is the size of the largest code archive, in bytes.
const MaxBundle = 256 << 20

// BundleInfo answers the upload of a code archive.
type BundleInfo struct {
	// Digest is the SHA-256 of the archive in hexadecimal.
	Digest    string `json:"digest" required:"true"`
	SizeBytes int64  `json:"size_bytes" required:"true"`
}

// DeploymentMode says what must be true of the project before.
type DeploymentMode string

// DeployCreate wants a new project, DeployUpgrade an existing one, DeployEither
// takes both.
const (
	DeployCreate  DeploymentMode = "create"
	DeployUpgrade DeploymentMode = "upgrade"
	DeployEither  DeploymentMode = "either"
)

// Enum lists the values for the OpenAPI document.
func (DeploymentMode) Enum() []any { return []any{DeployCreate, DeployUpgrade, DeployEither} }

// DeploymentDefinition makes a version from an uploaded bundle.
type DeploymentDefinition struct {
	Mode DeploymentMode `json:"mode" required:"true"`
	// Bundle is the digest of an uploaded code archive.
	Bundle string `json:"bundle" required:"true" pattern:"^[0-9a-f]{64}$"`
	// Environment holds the values of the project's .env file. They are stored
	// apart and are part of no answer.
	Environment map[string]string `json:"environment"`
	// PythonVersion is that of the containers, such as "3.12": one of 3.9 to 3.13.
	// Without it they have the server's.
	PythonVersion *string `json:"python_version,omitempty" pattern:"^3[.][0-9]{1,2}$"`
}
