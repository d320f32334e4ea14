package fakeecs_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
	"github.com/jonboulle/clockwork"

	"multinode/dispatcher/provision/fargate/fakeecs"
)

// client talks to the server as the real SDK does, without asking twice.
type client struct {
	*ecs.Client
	t      *testing.T
	server *fakeecs.Server
}

func config(s *fakeecs.Server) aws.Config {
	return aws.Config{
		Region: fakeecs.Region, BaseEndpoint: aws.String(s.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}
}

func serve(t *testing.T, o fakeecs.Options) *client {
	t.Helper()
	s := fakeecs.New(o)
	t.Cleanup(s.Close)
	return &client{ecs.NewFromConfig(config(s)), t, s}
}

func definition() *ecs.RegisterTaskDefinitionInput {
	return &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("app"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		Cpu:                     aws.String("256"), Memory: aws.String("512"),
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("worker"), Image: aws.String("image")}},
	}
}

func (c *client) register() {
	c.t.Helper()
	if _, err := c.RegisterTaskDefinition(c.t.Context(), definition()); err != nil {
		c.t.Fatal(err)
	}
}

func request(token string) *ecs.RunTaskInput {
	return &ecs.RunTaskInput{
		Cluster: aws.String(fakeecs.ClusterARN), TaskDefinition: aws.String("app"), ClientToken: aws.String(token), StartedBy: aws.String("exe-" + token),
		CapacityProviderStrategy: []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE"), Weight: 1}},
		NetworkConfiguration:     &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}},
		Overrides:                &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("worker")}}},
	}
}

// run returns the ARN of the task, or the reason why there is none.
func (c *client) run(in *ecs.RunTaskInput) (arn, reason string) {
	c.t.Helper()
	out, err := c.RunTask(c.t.Context(), in)
	switch {
	case err != nil:
		c.t.Fatal(err)
	case len(out.Failures) > 0:
		return "", *out.Failures[0].Reason
	}
	return *out.Tasks[0].TaskArn, ""
}

func (c *client) stop(arn string) {
	c.t.Helper()
	if _, err := c.StopTask(c.t.Context(), &ecs.StopTaskInput{Cluster: aws.String(fakeecs.Cluster), Task: &arn, Reason: aws.String("test")}); err != nil {
		c.t.Fatal(err)
	}
}

// task returns the task as it is described; nil where it is not.
func (c *client) task(arn string) *types.Task {
	c.t.Helper()
	out, err := c.DescribeTasks(c.t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String(fakeecs.ClusterARN), Tasks: []string{arn}})
	if err != nil {
		c.t.Fatal(err)
	}
	if len(out.Tasks) == 0 {
		if len(out.Failures) != 1 || *out.Failures[0].Reason != "MISSING" {
			c.t.Errorf("%+v", out.Failures)
		}
		return nil
	}
	return &out.Tasks[0]
}

func (c *client) list(in ecs.ListTasksInput) []string {
	c.t.Helper()
	in.Cluster = aws.String(fakeecs.Cluster)
	out, err := c.ListTasks(c.t.Context(), &in)
	if err != nil {
		c.t.Fatal(err)
	}
	return out.TaskArns
}

// code is that of an error of the service; empty where there is none.
func code(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

func TestATaskGoesThroughAllStates(t *testing.T) {
	clock := clockwork.NewFakeClock()
	c := serve(t, fakeecs.Options{Clock: clock, Late: 35 * time.Second, KeepEvents: true})
	c.register()
	arn, _ := c.run(request("1"))
	c.server.AwaitState(t.Context(), "exe-1", "RUNNING")
	if task := c.task(arn); task.StartedAt == nil || *task.LastStatus != "RUNNING" || task.StoppedAt != nil {
		t.Errorf("%+v", task)
	}
	c.stop(arn)
	c.server.AwaitState(t.Context(), "exe-1", "DEPROVISIONING")
	task := c.task(arn)
	if *task.LastStatus != "DEPROVISIONING" || *task.DesiredStatus != "STOPPED" || *task.Containers[1].LastStatus != "STOPPED" || *task.Containers[1].ExitCode != 143 {
		t.Errorf("its container has ended, and it is %+v", task)
	}
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil { // STOPPED comes late
		t.Fatal(err)
	}
	clock.Advance(35 * time.Second)
	c.server.AwaitState(t.Context(), "exe-1", "STOPPED")
	if task := c.task(arn); task.StopCode != types.TaskStopCodeUserInitiated || *task.StoppedReason != "test" {
		t.Errorf("%+v", task)
	}
	want := []string{"PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"}
	if got := c.server.States("exe-1"); !slices.Equal(got, want) {
		t.Errorf("it was %v", got)
	}
	if n := len(c.server.Events()); n != len(want) {
		t.Errorf("%d events", n)
	}
}

func TestAContainerThatIgnoresSIGTERMIsKilledAfterItsStopTimeout(t *testing.T) {
	clock := clockwork.NewFakeClock()
	c := serve(t, fakeecs.Options{Clock: clock, Run: func(c fakeecs.Container) fakeecs.Running { return stubborn{fakeecs.NewStub(c)} }})
	in := definition()
	in.ContainerDefinitions[0].StopTimeout = aws.Int32(7)
	if _, err := c.RegisterTaskDefinition(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	arn, _ := c.run(request("1"))
	c.server.AwaitState(t.Context(), "exe-1", "RUNNING")
	c.stop(arn)
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if task := c.task(arn); *task.LastStatus != "STOPPING" {
		t.Errorf("it is %s", *task.LastStatus)
	}
	clock.Advance(7 * time.Second)
	c.server.AwaitState(t.Context(), "exe-1", "STOPPED")
	if task := c.task(arn); *task.Containers[1].ExitCode != 137 {
		t.Errorf("%+v", task.Containers)
	}
}

func TestATokenIsGoodForOneTask(t *testing.T) {
	clock := clockwork.NewFakeClock()
	c := serve(t, fakeecs.Options{Clock: clock})
	c.register()
	arn, _ := c.run(request("1"))
	if again, _ := c.run(request("1")); again != arn {
		t.Errorf("%s, not %s", again, arn)
	}
	other := request("1")
	other.StartedBy = aws.String("somebody")
	if _, err := c.RunTask(t.Context(), other); code(err) != "ConflictException" {
		t.Errorf("with other parameters: %v", err)
	}
	// A failure is repeated, too.
	c.server.Inject("RunTask", fakeecs.NoMemory)
	for range 2 {
		if _, reason := c.run(request("2")); reason != "RESOURCE:MEMORY" {
			t.Errorf("failed for %q", reason)
		}
	}
	if _, reason := c.run(request("3")); reason != "" {
		t.Error(reason)
	}
	// An hour after the stop both the task and the token are forgotten.
	c.stop(arn)
	c.server.AwaitState(t.Context(), "exe-1", "STOPPED")
	clock.Advance(59 * time.Minute)
	if c.task(arn) == nil {
		t.Error("it is forgotten too early")
	}
	clock.Advance(time.Minute)
	if c.task(arn) != nil {
		t.Error("it is not forgotten")
	}
	if again, _ := c.run(request("1")); again == arn {
		t.Error("its token is not forgotten")
	}
}

func TestTasksAreListedInPages(t *testing.T) {
	clock := clockwork.NewFakeClock()
	c := serve(t, fakeecs.Options{Clock: clock, Visible: time.Second})
	c.register()
	var arns []string
	for _, token := range []string{"1", "2", "3"} {
		arn, _ := c.run(request(token))
		arns = append(arns, arn)
	}
	if got := c.list(ecs.ListTasksInput{}); len(got) != 0 || c.task(arns[0]) != nil {
		t.Errorf("shown at once: %v", got)
	}
	clock.Advance(time.Second)
	if got := c.list(ecs.ListTasksInput{StartedBy: aws.String("exe-2")}); !slices.Equal(got, arns[1:2]) {
		t.Errorf("started by one: %v", got)
	}
	var got []string
	pages := ecs.NewListTasksPaginator(c, &ecs.ListTasksInput{Cluster: aws.String(fakeecs.Cluster), MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil || len(page.TaskArns) > 2 {
			t.Fatal(page, err)
		}
		got = append(got, page.TaskArns...)
	}
	if !slices.Equal(got, arns) {
		t.Errorf("%v, not %v", got, arns)
	}
	c.stop(arns[0])
	if got := c.list(ecs.ListTasksInput{DesiredStatus: types.DesiredStatusStopped}); !slices.Equal(got, arns[:1]) {
		t.Errorf("stopped: %v", got)
	}
}

func TestRatesAreLimited(t *testing.T) {
	clock := clockwork.NewFakeClock()
	c := serve(t, fakeecs.Options{Clock: clock, Limits: true})
	c.register()
	if _, err := c.RegisterTaskDefinition(t.Context(), definition()); code(err) != "ThrottlingException" {
		t.Errorf("a second registration within a second: %v", err)
	}
	launches := func(n int) (done int) {
		for range n {
			if _, err := c.RunTask(context.Background(), request("1")); code(err) == "ThrottlingException" {
				return done
			}
			done++
		}
		return done
	}
	if n := launches(200); n != 100 {
		t.Errorf("%d launches at once", n)
	}
	clock.Advance(time.Second)
	if n := launches(200); n != 20 {
		t.Errorf("%d launches a second", n)
	}
}

func TestFaultsAreWhatTheyAreCalled(t *testing.T) {
	c := serve(t, fakeecs.Options{})
	c.register()
	for name, want := range map[string]struct {
		fault fakeecs.Fault
		code  string
	}{
		"throttle":  {fakeecs.Throttled, "ThrottlingException"},
		"hidden":    {fakeecs.HiddenThrottle, "InvalidParameterException"},
		"server":    {fakeecs.ServerError, "ServerException"},
		"denied":    {fakeecs.AccessDenied, "AccessDeniedException"},
		"vCPUs":     {fakeecs.TooManyVCPUs, "ClientException"},
		"role":      {fakeecs.PassRoleRefused, "ClientException"},
		"full":      {fakeecs.NoCapacityError, "ClientException"},
		"no answer": {fakeecs.LostAnswer, ""},
	} {
		c.server.Inject("RunTask", want.fault)
		if _, err := c.RunTask(t.Context(), request(name[:2])); err == nil || code(err) != want.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if tasks := c.server.Tasks(); len(tasks) != 1 {
		t.Errorf("%d tasks, of a lost answer alone", len(tasks))
	}
	for reason, fault := range map[string]fakeecs.Fault{"Your Spot Task was interrupted.": fakeecs.SpotInterrupted, fakeecs.NoSuchImage.FailedToStart: fakeecs.NoSuchImage} {
		token := (fault.FailedToStart + "interrupted")[:5]
		c.server.Inject("RunTask", fault)
		arn, _ := c.run(request(token))
		c.server.AwaitState(t.Context(), "exe-"+token, "STOPPED")
		if task := c.task(arn); *task.StoppedReason != reason || (task.StartedAt != nil) != (fault == fakeecs.SpotInterrupted) {
			t.Errorf("%+v", task)
		}
	}
}

func TestWhatIsNotKnownIsRefused(t *testing.T) {
	c := serve(t, fakeecs.Options{})
	if _, err := c.ListClusters(t.Context(), &ecs.ListClustersInput{}); code(err) != "UnknownOperationException" {
		t.Error(err)
	}
}

// stubborn ends by SIGKILL only.
type stubborn struct{ *fakeecs.Stub }

func (s stubborn) Signal(signal syscall.Signal) {
	if signal == syscall.SIGKILL {
		s.Stub.Signal(signal)
	}
}
