package fakeecs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	startedByPattern = regexp.MustCompile(`^[A-Za-z0-9_/-]{0,128}$`)
	tokenPattern     = regexp.MustCompile(`^[!-~]{0,64}$`)
	rolePattern      = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`)
	familyPattern    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	tagPattern       = regexp.MustCompile(`^[\p{L}\p{N}\p{Z}+=._:/@-]*$`)
)

// fargate is what each CPU size may have of memory: from, to, in steps, in MiB.
var fargate = map[string][3]int{
	"512": {1024, 4096, 1024}, "1024": {2048, 8192, 1024}, "2048": {4096, 16384, 1024},
	"4096": {8192, 30720, 1024}, "8192": {16384, 61440, 4096}, "16384": {32768, 122880, 8192},
}

func checkSize(cpu, memory string) *failure {
	fail := &failure{Type: "ClientException", Message: "No Fargate configuration exists for given values: " + cpu + " CPU, " + memory + " memory."}
	mib, err := strconv.Atoi(memory)
	if err != nil {
		return fail
	}
	if cpu == "256" {
		if slices.Contains([]int{512, 1024, 2048}, mib) {
			return nil
		}
		return fail
	}
	row, ok := fargate[cpu]
	if !ok || mib < row[0] || mib > row[1] || (mib-row[0])%row[2] != 0 {
		return fail
	}
	return nil
}

func checkCluster(name string) *failure {
	if name != Cluster && name != ClusterARN {
		return &failure{Type: "ClusterNotFoundException", Message: "Cluster not found."}
	}
	return nil
}

func (s *Server) validateRun(in runTask) (*definition, *failure) {
	if fail := checkCluster(in.Cluster); fail != nil {
		return nil, fail
	}
	d := s.definition(in.TaskDefinition)
	if d == nil {
		return nil, &failure{Type: "ClientException", Message: "Unable to find task definition: " + in.TaskDefinition}
	}
	if d.Status != "ACTIVE" {
		return nil, &failure{Type: "ClientException", Message: "TaskDefinition is inactive"}
	}
	switch {
	case in.Count != nil && (*in.Count < 1 || *in.Count > 10):
		return nil, invalid("count must be from 1 to 10")
	case !startedByPattern.MatchString(in.StartedBy):
		return nil, invalid("startedBy is not valid")
	case !tokenPattern.MatchString(in.ClientToken):
		return nil, invalid("clientToken is not valid")
	case in.LaunchType != "" && len(in.CapacityProviderStrategy) > 0:
		return nil, invalid("Specifying both a launch type and capacity provider strategy is not supported.")
	case in.LaunchType != "" && in.LaunchType != "FARGATE":
		return nil, invalid("No Container Instances were found in your cluster.")
	case in.LaunchType == "" && len(in.CapacityProviderStrategy) == 0:
		return nil, invalid("No launch type and no capacity provider")
	case in.PlatformVersion != "" && !slices.Contains([]string{"LATEST", "1.4.0", "1.3.0"}, in.PlatformVersion):
		return nil, &failure{Type: "PlatformUnknownException", Message: "The specified platform does not exist."}
	case in.NetworkConfiguration == nil || in.NetworkConfiguration.Awsvpc == nil || len(in.NetworkConfiguration.Awsvpc.Subnets) == 0:
		return nil, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case len(in.NetworkConfiguration.Awsvpc.Subnets) > 16 || len(in.NetworkConfiguration.Awsvpc.SecurityGroups) > 5:
		return nil, invalid("at most 16 subnets and 5 security groups")
	}
	for _, p := range in.CapacityProviderStrategy {
		if p.CapacityProvider != "FARGATE" && p.CapacityProvider != "FARGATE_SPOT" {
			return nil, invalid("The specified capacity provider %s was not found.", p.CapacityProvider)
		}
		if p.Weight < 0 || p.Weight > 1000 {
			return nil, invalid("weight must be from 0 to 1000")
		}
	}
	if fail := checkTags(in.Tags); fail != nil {
		return nil, fail
	}
	return d, s.checkOverrides(in.Overrides, d)
}

func (s *Server) checkOverrides(o *overrides, d *definition) *failure {
	if o == nil {
		return nil
	}
	encoded, _ := json.Marshal(o)
	if n := utf8.RuneCount(encoded); n > 8192 {
		return invalid("Container Overrides length must be at most 8192")
	}
	for _, c := range o.Containers {
		if c.Name != d.ContainerDefinitions[0].Name {
			return invalid("Override for container named %s is not a container in the TaskDefinition.", c.Name)
		}
	}
	if o.EphemeralStorage != nil && (o.EphemeralStorage.SizeInGiB < 21 || o.EphemeralStorage.SizeInGiB > 200) {
		return &failure{Type: "ClientException", Message: "ephemeralStorage must be from 21 to 200 GiB"}
	}
	cpu, memory := d.CPU, d.Memory
	if o.CPU != "" {
		cpu = o.CPU
	}
	if o.Memory != "" {
		memory = o.Memory
	}
	return checkSize(cpu, memory)
}

func checkTags(tags []tag) *failure {
	if len(tags) > 50 {
		return invalid("at most 50 tags")
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || utf8.RuneCountInString(t.Key) > 128 || utf8.RuneCountInString(t.Value) > 256:
			return invalid("a tag's key has 1 to 128 characters, its value up to 256")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:") || seen[t.Key] || !tagPattern.MatchString(t.Key) || !tagPattern.MatchString(t.Value):
			return invalid("the tag %s is not valid", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}
