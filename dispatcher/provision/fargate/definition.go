package fargate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
)

// familySum is how many digits of the digest of its content end a family's name.
const familySum = 32

// definitions are the task definitions that are known to exist, by family.
type definitions struct {
	making sync.Mutex // held while one is made
	mu     sync.Mutex
	known  map[string]string
}

func (d *definitions) find(family string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known[family]
}

// forget has a definition made anew that somebody has removed.
func (d *definitions) forget(arn string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.known, func(_, known string) bool { return known == arn })
}

func (d *definitions) note(family string, made *types.TaskDefinition) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[family] = aws.ToString(made.TaskDefinitionArn)
	return d.known[family]
}

// Prepare sees to it that there is a task definition for the image, as a deploy
// should: the service registers one a second. shared are the values of the
// variables that Options.Shared names. Errors are *provision.Error.
func (p *Provisioner) Prepare(ctx context.Context, image string, shared map[string]string) error {
	_, err := p.define(ctx, image, shared)
	return failure(err)
}

// define returns the ARN of the definition of the image. Its family is named
// after all that is in it, so that it is registered once, by whomever.
func (p *Provisioner) define(ctx context.Context, image string, environment map[string]string) (string, error) {
	if image == "" {
		return "", permanent(errors.New("the version has no container image"))
	}
	input := p.definition(image, environment)
	if arn := p.definitions.find(*input.Family); arn != "" {
		return arn, nil
	}
	// One at a time: the next one finds what this one has made.
	p.definitions.making.Lock()
	defer p.definitions.making.Unlock()
	if arn := p.definitions.find(*input.Family); arn != "" {
		return arn, nil
	}
	if err := p.reads.Wait(ctx); err != nil {
		return "", err
	}
	found, err := p.ecs.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: input.Family})
	if err == nil && found.TaskDefinition.Status == types.TaskDefinitionStatusActive {
		return p.definitions.note(*input.Family, found.TaskDefinition), nil
	}
	var answer smithy.APIError
	if err != nil && (!errors.As(err, &answer) || answer.ErrorCode() != "ClientException" || throttled(answer.ErrorCode(), answer.ErrorMessage())) {
		return "", err
	}
	if err := p.registers.Wait(ctx); err != nil {
		return "", err
	}
	made, err := p.ecs.RegisterTaskDefinition(ctx, input)
	if err != nil {
		return "", err
	}
	return p.definitions.note(*input.Family, made.TaskDefinition), nil
}

func (p *Provisioner) definition(image string, environment map[string]string) *ecs.RegisterTaskDefinitionInput {
	shared := map[string]string{}
	for _, name := range p.options.Shared {
		if value, ok := environment[name]; ok {
			shared[name] = value
		}
	}
	architecture := types.CPUArchitectureX8664
	if p.options.ARM64 {
		architecture = types.CPUArchitectureArm64
	}
	input := &ecs.RegisterTaskDefinitionInput{
		NetworkMode:             types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		// Each task has a size of its own; these are overridden.
		Cpu:              aws.String("256"),
		Memory:           aws.String("512"),
		TaskRoleArn:      optional(p.options.TaskRole),
		ExecutionRoleArn: optional(p.options.ExecutionRole),
		RuntimePlatform:  &types.RuntimePlatform{CpuArchitecture: architecture, OperatingSystemFamily: types.OSFamilyLinux},
		ContainerDefinitions: []types.ContainerDefinition{{
			Name:        aws.String(container),
			Image:       aws.String(image),
			Essential:   aws.Bool(true),
			Environment: pairs(shared),
			StopTimeout: aws.Int32(int32(p.options.StopTimeout / time.Second)),
			// An init reaps what the user's code leaves behind.
			LinuxParameters: &types.LinuxParameters{InitProcessEnabled: aws.Bool(true)},
		}},
		Tags: []types.Tag{tag(installationTag, p.options.Installation)},
	}
	if p.options.EphemeralStorageGiB > 0 {
		input.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: int32(p.options.EphemeralStorageGiB)}
	}
	if p.options.LogGroup != "" {
		input.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{
			LogDriver: types.LogDriverAwslogs,
			Options: map[string]string{
				"awslogs-group": p.options.LogGroup, "awslogs-region": p.options.AWS.Region, "awslogs-stream-prefix": p.options.Installation,
				"mode": "non-blocking", // what the runner prints must not stop it
			},
		}
	}
	content, _ := json.Marshal(input)
	sum := sha256.Sum256(content)
	input.Family = aws.String(p.options.Installation + "-" + hex.EncodeToString(sum[:])[:familySum])
	return input
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return aws.String(s)
}
