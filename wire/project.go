package wire

// HealthStatus answers GET / and GET /ready.
type HealthStatus struct {
	// Status is "healthy" or "ready".
	Status string `json:"status" required:"true"`
}

// ProjectInfo describes a project.
type ProjectInfo struct {
	ProjectName string `json:"project_name" required:"true"`
	// DeletionRequestTime is set while the project is being undeployed.
	DeletionRequestTime *int64 `json:"deletion_request_time" required:"true"`
	CreationTime        int64  `json:"creation_time" required:"true"`
}

// ProjectsList holds all projects that the caller may see, newest first.
type ProjectsList struct {
	Projects []ProjectInfo `json:"projects" required:"true" nullable:"false"`
}

// ContainerRepositoryCredentials is where a client of release 1.0.1 pushes a
// project's image.
type ContainerRepositoryCredentials struct {
	RepositoryName string `json:"repository_name" required:"true"`
	Username       string `json:"username" required:"true"`
	Password       string `json:"password" required:"true"`
	EndpointURL    string `json:"endpoint_url" required:"true"`
}
