package fakeecs_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode/dispatcher/provision/fargate/fakeecs"
)

func TestLaunchesAreHeldToTheRules(t *testing.T) {
	c := serve(t, fakeecs.Options{})
	c.register()
	size := func(cpu, memory string) func(*ecs.RunTaskInput) {
		return func(in *ecs.RunTaskInput) { in.Overrides.Cpu, in.Overrides.Memory = &cpu, &memory }
	}
	provider := func(name string) func(*ecs.RunTaskInput) {
		return func(in *ecs.RunTaskInput) { in.CapacityProviderStrategy[0].CapacityProvider = &name }
	}
	tags := func(tags ...types.Tag) func(*ecs.RunTaskInput) {
		return func(in *ecs.RunTaskInput) { in.Tags = tags }
	}
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	variable := func(length int) func(*ecs.RunTaskInput) {
		return func(in *ecs.RunTaskInput) {
			in.Overrides.ContainerOverrides[0].Environment = []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String(strings.Repeat("ä", length))}}
		}
	}
	tests := []struct {
		name   string
		change func(*ecs.RunTaskInput)
		code   string
	}{
		{"as it should be", func(*ecs.RunTaskInput) {}, ""},
		{"another cluster", func(in *ecs.RunTaskInput) { in.Cluster = aws.String("other") }, "ClusterNotFoundException"},
		{"no such definition", func(in *ecs.RunTaskInput) { in.TaskDefinition = aws.String("other") }, "ClientException"},
		{"too many at once", func(in *ecs.RunTaskInput) { in.Count = aws.Int32(11) }, "InvalidParameterException"},
		{"a long token", func(in *ecs.RunTaskInput) { in.ClientToken = aws.String(strings.Repeat("a", 65)) }, "InvalidParameterException"},
		{"a token beyond ASCII", func(in *ecs.RunTaskInput) { in.ClientToken = aws.String("ä") }, "InvalidParameterException"},
		{"a long startedBy", func(in *ecs.RunTaskInput) { in.StartedBy = aws.String(strings.Repeat("a", 129)) }, "InvalidParameterException"},
		{"a strange startedBy", func(in *ecs.RunTaskInput) { in.StartedBy = aws.String("a b") }, "InvalidParameterException"},
		{"Spot", provider("FARGATE_SPOT"), ""},
		{"no such provider", provider("EC2"), "InvalidParameterException"},
		{"provider and launch type", func(in *ecs.RunTaskInput) { in.LaunchType = types.LaunchTypeFargate }, "InvalidParameterException"},
		{"neither", func(in *ecs.RunTaskInput) { in.CapacityProviderStrategy = nil }, "InvalidParameterException"},
		{"no network", func(in *ecs.RunTaskInput) { in.NetworkConfiguration = nil }, "InvalidParameterException"},
		{"no such platform", func(in *ecs.RunTaskInput) { in.PlatformVersion = aws.String("2.0.0") }, "PlatformUnknownException"},
		{"a size of the table", size("4096", "30720"), ""},
		{"the smallest", size("256", "2048"), ""},
		{"the largest", size("16384", "122880"), ""},
		{"between two steps", size("8192", "17408"), "ClientException"},
		{"too much for its CPU", size("256", "3072"), "ClientException"},
		{"no size at all", size("3000", "x"), "ClientException"},
		{"another container", func(in *ecs.RunTaskInput) { in.Overrides.ContainerOverrides[0].Name = aws.String("other") }, "InvalidParameterException"},
		{"characters, not bytes", variable(8000), ""},
		{"too long", variable(8192), "InvalidParameterException"},
		{"little storage", func(in *ecs.RunTaskInput) { in.Overrides.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 20} }, "ClientException"},
		{"a tag", tags(tag("multinode:project", "mein Würfel")), ""},
		{"a tag of AWS's", tags(tag("aws:x", "")), "InvalidParameterException"},
		{"a tag twice", tags(tag("a", ""), tag("a", "")), "InvalidParameterException"},
		{"a strange tag", tags(tag("a", "{}")), "InvalidParameterException"},
		{"a long tag", tags(tag("a", strings.Repeat("a", 257))), "InvalidParameterException"},
		{"51 tags", tags(make([]types.Tag, 51)...), "InvalidParameterException"},
	}
	for i, test := range tests {
		in := request("token-" + string(rune('A'+i)))
		test.change(in)
		if _, err := c.RunTask(t.Context(), in); code(err) != test.code || (err == nil) != (test.code == "") {
			t.Errorf("%s: %v, not %q", test.name, err, test.code)
		}
	}
}

func TestDefinitionsAreHeldToTheRules(t *testing.T) {
	role := aws.String("arn:aws:iam::123456789012:role/r")
	logs := &types.LogConfiguration{LogDriver: types.LogDriverAwslogs}
	tests := []struct {
		name   string
		change func(*ecs.RegisterTaskDefinitionInput, *types.ContainerDefinition)
		ok     bool
	}{
		{"as it should be", func(*ecs.RegisterTaskDefinitionInput, *types.ContainerDefinition) {}, true},
		{"a strange family", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) { in.Family = aws.String("a b") }, false},
		{"no image", func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.Image = nil }, false},
		{"bridged", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.NetworkMode = types.NetworkModeBridge
		}, false},
		{"no size", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) { in.Memory = aws.String("1") }, false},
		{"no role", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.TaskRoleArn = aws.String("r")
		}, false},
		{"logs without a role", func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.LogConfiguration = logs }, false},
		{"logs with a role", func(in *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			in.ExecutionRoleArn, c.LogConfiguration = role, logs
		}, true},
		{"ECR without a role", func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) {
			c.Image = aws.String("123456789012.dkr.ecr.eu-central-1.amazonaws.com/app")
		}, false},
		{"a long stop timeout", func(_ *ecs.RegisterTaskDefinitionInput, c *types.ContainerDefinition) { c.StopTimeout = aws.Int32(121) }, false},
		{"much storage", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 201}
		}, false},
		{"no such processor", func(in *ecs.RegisterTaskDefinitionInput, _ *types.ContainerDefinition) {
			in.RuntimePlatform = &types.RuntimePlatform{CpuArchitecture: "RISC"}
		}, false},
	}
	c := serve(t, fakeecs.Options{})
	for _, test := range tests {
		in := definition()
		test.change(in, &in.ContainerDefinitions[0])
		if _, err := c.RegisterTaskDefinition(t.Context(), in); (err == nil) != test.ok || err != nil && code(err) != "ClientException" {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	// A definition that was taken back starts nothing.
	out, err := c.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("app:1")})
	if err != nil {
		t.Fatal(err)
	}
	in := request("1")
	in.TaskDefinition = out.TaskDefinition.TaskDefinitionArn
	if _, err := c.RunTask(t.Context(), in); code(err) != "ClientException" {
		t.Error(err)
	}
}

func TestReadsAreHeldToTheRules(t *testing.T) {
	c := serve(t, fakeecs.Options{})
	cluster := aws.String(fakeecs.Cluster)
	_, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: cluster, StartedBy: aws.String("a"), Family: aws.String("b")})
	if code(err) != "InvalidParameterException" {
		t.Errorf("startedBy beside another filter: %v", err)
	}
	if _, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{Cluster: cluster, MaxResults: aws.Int32(101)}); code(err) != "InvalidParameterException" {
		t.Errorf("a page of 101: %v", err)
	}
	for _, n := range []int{0, 101} {
		if _, err := c.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: cluster, Tasks: make([]string, n)}); code(err) != "InvalidParameterException" {
			t.Errorf("%d tasks described: %v", n, err)
		}
	}
	if _, err := c.StopTask(t.Context(), &ecs.StopTaskInput{Cluster: cluster, Task: aws.String("none")}); code(err) != "InvalidParameterException" {
		t.Errorf("no such task stopped: %v", err)
	}
}
