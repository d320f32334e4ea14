package wire

// Role says what the holder of an API key may do; each includes those after it.
type Role string

// The roles.
const (
	RoleAdmin  Role = "admin"
	RoleDeploy Role = "deploy"
	RoleInvoke Role = "invoke"
	RoleRead   Role = "read"
)

// Enum lists the values for the OpenAPI document.
func (Role) Enum() []any { return []any{RoleAdmin, RoleDeploy, RoleInvoke, RoleRead} }

// APIKeyDefinition describes an API key to be made.
type APIKeyDefinition struct {
	// Name is for people; several keys may have the same.
	Name string `json:"name" required:"true" minLength:"1" maxLength:"64"`
	Role Role   `json:"role" required:"true"`
	// ProjectName limits the key to the project of that name, which need not exist
	// yet; null means all projects.
	ProjectName *string `json:"project_name"`
	// ExpirationTime is when the key ends by itself; null means never.
	ExpirationTime *int64 `json:"expiration_time"`
}

// APIKeyInfo describes an API key, without what opens anything.
type APIKeyInfo struct {
	KeyID          string  `json:"key_id" required:"true"`
	Name           string  `json:"name" required:"true"`
	Role           Role    `json:"role" required:"true"`
	ProjectName    *string `json:"project_name" required:"true"`
	CreationTime   int64   `json:"creation_time" required:"true"`
	ExpirationTime *int64  `json:"expiration_time" required:"true"`
	// IsServersOwn is true for the key that the server was started with, which
	// cannot be revoked.
	IsServersOwn bool `json:"is_servers_own" required:"true"`
}

// CreatedAPIKey is a new API key. This answer is the only place where the key
// itself can be read.
type CreatedAPIKey struct {
	APIKeyInfo
	Key string `json:"key" required:"true"`
}

// APIKeysList holds all API keys that the caller may see, newest first.
type APIKeysList struct {
	APIKeys []APIKeyInfo `json:"api_keys" required:"true" nullable:"false"`
}
