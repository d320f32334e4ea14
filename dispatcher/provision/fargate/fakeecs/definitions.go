package fakeecs

import (
	"slices"
	"strconv"
	"strings"
)

func (s *Server) register(d definition) (any, *failure) {
	bad := func(message string) (any, *failure) { return nil, &failure{Type: "ClientException", Message: message} }
	switch {
	case !familyPattern.MatchString(d.Family):
		return bad("Family contains invalid characters.")
	case len(d.ContainerDefinitions) != 1 || d.ContainerDefinitions[0].Name == "" || d.ContainerDefinitions[0].Image == "":
		return bad("Container.name and Container.image should not be null or empty.")
	case slices.Contains(d.RequiresCompatibilities, "FARGATE") && d.NetworkMode != "awsvpc":
		return bad("Fargate only supports network mode ‘awsvpc’.")
	case !slices.Contains(d.RequiresCompatibilities, "FARGATE"):
		return bad("this fake runs Fargate tasks only")
	case d.TaskRoleArn != "" && !rolePattern.MatchString(d.TaskRoleArn), d.ExecutionRoleArn != "" && !rolePattern.MatchString(d.ExecutionRoleArn):
		return bad("Role is not valid")
	case d.ContainerDefinitions[0].LogConfiguration["logDriver"] == "awslogs" && d.ExecutionRoleArn == "":
		return bad("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	case strings.Contains(d.ContainerDefinitions[0].Image, ".ecr.") && d.ExecutionRoleArn == "":
		return bad("Fargate requires task definition to have execution role ARN to support ECR images.")
	case d.EphemeralStorage != nil && (d.EphemeralStorage.SizeInGiB < 21 || d.EphemeralStorage.SizeInGiB > 200):
		return bad("ephemeralStorage must be from 21 to 200 GiB")
	case d.ContainerDefinitions[0].StopTimeout != nil && (*d.ContainerDefinitions[0].StopTimeout < 2 || *d.ContainerDefinitions[0].StopTimeout > 120):
		return bad("stopTimeout must be from 2 to 120 seconds")
	}
	if arch := d.RuntimePlatform["cpuArchitecture"]; arch != "" && arch != "X86_64" && arch != "ARM64" {
		return bad("cpuArchitecture is not valid")
	}
	if fail := checkSize(d.CPU, d.Memory); fail != nil {
		return nil, fail
	}
	if fail := checkTags(d.Tags); fail != nil {
		return nil, fail
	}
	d.Revision = len(s.definitions[d.Family]) + 1
	d.Status = "ACTIVE"
	d.ARN = "arn:aws:ecs:" + Region + ":" + Account + ":task-definition/" + d.Family + ":" + strconv.Itoa(d.Revision)
	s.definitions[d.Family] = append(s.definitions[d.Family], &d)
	return map[string]any{"taskDefinition": d}, nil
}

// definition finds by ARN, by family and revision, or the newest of a family.
func (s *Server) definition(name string) *definition {
	name = name[strings.LastIndexByte(name, '/')+1:]
	family, revision, exact := strings.Cut(name, ":")
	for _, d := range slices.Backward(s.definitions[family]) {
		if exact && strconv.Itoa(d.Revision) == revision || !exact && d.Status == "ACTIVE" {
			return d
		}
	}
	return nil
}

func (s *Server) describeDefinition(in struct{ TaskDefinition string }) (any, *failure) {
	d := s.definition(in.TaskDefinition)
	if d == nil {
		return nil, &failure{Type: "ClientException", Message: "Unable to describe task definition."}
	}
	return map[string]any{"taskDefinition": d}, nil
}

func (s *Server) deregister(in struct{ TaskDefinition string }) (any, *failure) {
	d := s.definition(in.TaskDefinition)
	if d == nil {
		return nil, &failure{Type: "ClientException", Message: "The specified task definition does not exist."}
	}
	d.Status = "INACTIVE"
	return map[string]any{"taskDefinition": d}, nil
}
