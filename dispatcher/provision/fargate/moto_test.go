package fargate_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/middleware"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/fargate"
	"multinode/internal/pythontest"
)

const motoVersion = "5.2.5"

// moto starts a server of services that nobody here wrote, and returns what
// reaches it.
func moto(t *testing.T) aws.Config {
	t.Helper()
	python := pythontest.WithDownloads(t, "moto[server]=="+motoVersion)
	command := exec.CommandContext(t.Context(), python, "-c", "import sys; from moto.server import main; main(sys.argv[1:])", "-H", "127.0.0.1", "-p", "0")
	command.WaitDelay = 10 * time.Second
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	var said strings.Builder
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if _, url, found := strings.Cut(lines.Text(), "Running on "); found {
			go func() {
				for lines.Scan() { // else it blocks
				}
			}()
			return aws.Config{
				Region: "us-east-1", BaseEndpoint: aws.String(strings.TrimSpace(url)),
				Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
				APIOptions:  []func(*middleware.Stack) error{reserveMemory},
			}
		}
	}
	t.Fatalf("moto has not started:\n%s", &said)
	return aws.Config{}
}

// reserveMemory adds what moto, unlike the service, wants each container to have.
func reserveMemory(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("reserve memory", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		if register, ok := in.Parameters.(*ecs.RegisterTaskDefinitionInput); ok {
			register.ContainerDefinitions[0].MemoryReservation = aws.Int32(512)
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// motoOptions makes the cluster, the log group and the queue in moto.
func motoOptions(t *testing.T, config aws.Config) fargate.Options {
	t.Helper()
	cluster, err := ecs.NewFromConfig(config).CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: aws.String("workers")})
	if err != nil {
		t.Fatal(err)
	}
	group := "/multinode/workers"
	if _, err := cloudwatchlogs.NewFromConfig(config).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	queue, err := sqs.NewFromConfig(config).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("task-changes")})
	if err != nil {
		t.Fatal(err)
	}
	o := fargate.DefaultOptions(config, *cluster.Cluster.ClusterArn)
	o.Subnets = []string{described(t, *config.BaseEndpoint, "DescribeSubnets", "subnetId")}
	o.SecurityGroups = []string{described(t, *config.BaseEndpoint, "DescribeSecurityGroups", "groupId")}
	o.ExecutionRole = "arn:aws:iam::123456789012:role/worker"
	o.LogGroup, o.QueueURL, o.Sweep = group, *queue.QueueUrl, time.Hour
	return o
}

// described returns what the default network has of something. What service is
// meant is told by the signature, which moto does not check.
func described(t *testing.T, url, action, name string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("Action="+action+"&Version=2016-11-15"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=key/20260102/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, id, found := strings.Cut(string(body), "<"+name+">")
	if id, _, _ = strings.Cut(id, "<"); !found {
		t.Fatalf("moto has no %s: %s", name, body)
	}
	return id
}

func TestAgainstMoto(t *testing.T) {
	config := moto(t)
	o := motoOptions(t, config)
	p := open(t, o)
	for range 2 { // the second time there is nothing to register
		if err := p.Prepare(t.Context(), intent("").Image, nil); err != nil {
			t.Fatal(err)
		}
	}
	families, err := ecs.NewFromConfig(config).ListTaskDefinitions(t.Context(), &ecs.ListTaskDefinitionsInput{})
	if err != nil || len(families.TaskDefinitionArns) != 1 {
		t.Errorf("registered %v (%v)", families.TaskDefinitionArns, err)
	}
	made, err := p.Launch(t.Context(), intent("exe-1"))
	if err != nil {
		t.Fatal(err)
	}

	other := open(t, o) // finds it by its tags
	listed, err := other.List(t.Context())
	want := provision.Worker{ExecutionID: "exe-1", ExecutionKey: "p.g.f.i.exe-1", Handle: made, Started: true, Alive: true}
	if err != nil || len(listed) != 1 || listed[0] != want {
		t.Fatalf("listed as %+v (%v)", listed, err)
	}
	_ = other.Close()

	// moto sends no events: this is one as EventBridge would send it.
	failed(t, config, o, made)
	if exit := <-p.Exits(); exit.ExecutionID != "exe-1" || !strings.Contains(exit.Detail, "exit code 3") || !strings.Contains(exit.Detail, "the disk fell out") {
		t.Errorf("%+v", exit)
	}

	o.Sweep = 10 * time.Millisecond
	other = open(t, o)
	if err := other.Stop(t.Context(), "exe-1", multinode.Worker{}, 0); err != nil {
		t.Fatal(err)
	}
	if listed, err := other.List(t.Context()); err != nil || len(listed) != 0 {
		t.Errorf("after stop: %+v (%v)", listed, err)
	}
	if presence, err := open(t, o).Find(context.Background(), "exe-1", made, time.Time{}); presence != provision.Gone || err != nil {
		t.Errorf("%v (%v)", presence, err)
	}
}

// failed puts the last lines and the end of a task where the services would.
func failed(t *testing.T, config aws.Config, o fargate.Options, task multinode.Worker) {
	t.Helper()
	logs := cloudwatchlogs.NewFromConfig(config)
	stream := aws.String(o.Installation + "/worker/" + task.ID[strings.LastIndexByte(task.ID, '/')+1:])
	_, err := logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &o.LogGroup, LogStreamName: stream})
	if err == nil {
		_, err = logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &o.LogGroup, LogStreamName: stream, LogEvents: []logtypes.InputLogEvent{
			{Message: aws.String("the disk fell out"), Timestamp: aws.Int64(time.Now().UnixMilli())},
		}})
	}
	if err != nil {
		t.Fatal(err)
	}
	event := fmt.Sprintf(`{"detail-type": "ECS Task State Change", "detail": {"taskArn": %q, "clusterArn": %q, "startedBy": "exe-1",
		"lastStatus": "DEPROVISIONING", "startedAt": "2026-01-02T03:04:05Z", "containers": [{"name": "worker", "lastStatus": "STOPPED", "exitCode": 3}]}}`, task.ID, o.Cluster)
	for _, body := range []string{event, event} {
		_, err := sqs.NewFromConfig(config).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &o.QueueURL, MessageBody: &body})
		if err != nil {
			t.Fatal(err)
		}
	}
	for { // both are taken and deleted
		seen, err := sqs.NewFromConfig(config).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &o.QueueURL, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		if seen.Attributes["ApproximateNumberOfMessages"] == "0" && seen.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" {
			return
		}
	}
}
