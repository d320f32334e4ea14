package fakeecs

// These are the parts of the service's messages that the fargate provisioner
// sends and reads.

type pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type storage struct {
	SizeInGiB int `json:"sizeInGiB"`
}

type provider struct {
	CapacityProvider string `json:"capacityProvider"`
	Weight           int    `json:"weight"`
	Base             int    `json:"base"`
}

type network struct {
	Awsvpc *struct {
		Subnets        []string `json:"subnets"`
		SecurityGroups []string `json:"securityGroups"`
		AssignPublicIP string   `json:"assignPublicIp"`
	} `json:"awsvpcConfiguration"`
}

type overrides struct {
	Containers []struct {
		Name        string   `json:"name"`
		Command     []string `json:"command,omitempty"`
		Environment []pair   `json:"environment,omitempty"`
	} `json:"containerOverrides"`
	CPU              string   `json:"cpu,omitempty"`
	Memory           string   `json:"memory,omitempty"`
	EphemeralStorage *storage `json:"ephemeralStorage,omitempty"`
	TaskRoleArn      string   `json:"taskRoleArn,omitempty"`
	ExecutionRoleArn string   `json:"executionRoleArn,omitempty"`
}

type runTask struct {
	Cluster                  string     `json:"cluster"`
	TaskDefinition           string     `json:"taskDefinition"`
	Count                    *int       `json:"count"`
	ClientToken              string     `json:"clientToken"`
	StartedBy                string     `json:"startedBy"`
	LaunchType               string     `json:"launchType"`
	PlatformVersion          string     `json:"platformVersion"`
	CapacityProviderStrategy []provider `json:"capacityProviderStrategy"`
	NetworkConfiguration     *network   `json:"networkConfiguration"`
	Overrides                *overrides `json:"overrides"`
	Tags                     []tag      `json:"tags"`
	PropagateTags            string     `json:"propagateTags"`
	EnableECSManagedTags     bool       `json:"enableECSManagedTags"`
	Group                    string     `json:"group"`
}

type containerDefinition struct {
	Name             string         `json:"name"`
	Image            string         `json:"image"`
	Essential        *bool          `json:"essential,omitempty"`
	Command          []string       `json:"command,omitempty"`
	Environment      []pair         `json:"environment,omitempty"`
	StopTimeout      *int           `json:"stopTimeout,omitempty"`
	LogConfiguration map[string]any `json:"logConfiguration,omitempty"`
	LinuxParameters  map[string]any `json:"linuxParameters,omitempty"`
	User             string         `json:"user,omitempty"`
}

type definition struct {
	ARN                     string                `json:"taskDefinitionArn,omitempty"`
	Family                  string                `json:"family"`
	Revision                int                   `json:"revision,omitempty"`
	Status                  string                `json:"status,omitempty"`
	NetworkMode             string                `json:"networkMode"`
	RequiresCompatibilities []string              `json:"requiresCompatibilities"`
	CPU                     string                `json:"cpu"`
	Memory                  string                `json:"memory"`
	ExecutionRoleArn        string                `json:"executionRoleArn,omitempty"`
	TaskRoleArn             string                `json:"taskRoleArn,omitempty"`
	EphemeralStorage        *storage              `json:"ephemeralStorage,omitempty"`
	RuntimePlatform         map[string]string     `json:"runtimePlatform,omitempty"`
	ContainerDefinitions    []containerDefinition `json:"containerDefinitions"`
	Tags                    []tag                 `json:"tags,omitempty"`
}

type containerView struct {
	Name       string `json:"name"`
	LastStatus string `json:"lastStatus"`
	ExitCode   *int   `json:"exitCode,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

// view is a task as the service shows it.
type view struct {
	TaskArn              string          `json:"taskArn"`
	ClusterArn           string          `json:"clusterArn"`
	TaskDefinitionArn    string          `json:"taskDefinitionArn"`
	StartedBy            string          `json:"startedBy,omitempty"`
	Group                string          `json:"group,omitempty"`
	LastStatus           string          `json:"lastStatus"`
	DesiredStatus        string          `json:"desiredStatus"`
	StopCode             string          `json:"stopCode,omitempty"`
	StoppedReason        string          `json:"stoppedReason,omitempty"`
	CapacityProviderName string          `json:"capacityProviderName,omitempty"`
	CPU                  string          `json:"cpu"`
	Memory               string          `json:"memory"`
	CreatedAt            any             `json:"createdAt"`
	StartedAt            any             `json:"startedAt,omitempty"`
	StoppedAt            any             `json:"stoppedAt,omitempty"`
	Version              int             `json:"version"`
	Containers           []containerView `json:"containers"`
	Overrides            *overrides      `json:"overrides,omitempty"`
	Tags                 []tag           `json:"tags,omitempty"`
}
