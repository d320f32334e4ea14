package aws_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/fargate"
	"multinode/dispatcher/provision/fargate/fakeecs"
	"multinode/infra/aws/internal/terraform"
)

// request is one call of AWS.
type request struct {
	action string // without its service
	body   struct {
		Cluster, Task, Family, TaskDefinition   string
		TaskRoleArn, ExecutionRoleArn, QueueURL string
		LogGroupName, LogStreamName             string
		Tasks                                   []string
		Tags                                    []struct{}
	}
}

// recorder passes requests on to the stand-in for AWS.
type recorder struct {
	to http.Handler

	mu       sync.Mutex
	requests []request
	seen     map[string]chan struct{} // closed at the first of an action
}

// wait returns when the action has been asked for.
func (r *recorder) wait(action string) {
	r.mu.Lock()
	seen := r.first(action)
	r.mu.Unlock()
	<-seen
}

func (r *recorder) first(action string) chan struct{} {
	if r.seen[action] == nil {
		r.seen[action] = make(chan struct{})
	}
	return r.seen[action]
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	text, err := io.ReadAll(in.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	target := in.Header.Get("X-Amz-Target")
	one := request{action: target[strings.LastIndexByte(target, '.')+1:]}
	if err := json.Unmarshal(text, &one.body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.requests = append(r.requests, one)
	select {
	case <-r.first(one.action):
	default:
		close(r.first(one.action))
	}
	r.mu.Unlock()
	in.Body = io.NopCloser(bytes.NewReader(text))
	r.to.ServeHTTP(w, in)
}

// needed is one thing that a policy has to grant.
type needed struct {
	action, resource string
	context          map[string]string
}

// needs are what a request has to be granted, as AWS documents it.
func (r request) needs() (all []needed) {
	b := r.body
	ecs := strings.Split(fakeecs.ClusterARN, ":cluster/")[0]
	cluster := map[string]string{"ecs:cluster": b.Cluster}
	created := map[string]string{"ecs:CreateAction": r.action}
	add := func(action, resource string, context map[string]string) {
		all = append(all, needed{action, resource, context})
	}
	switch r.action {
	case "RunTask":
		add("ecs:RunTask", b.TaskDefinition, cluster)
		if len(b.Tags) > 0 {
			add("ecs:TagResource", ecs+":task/"+fakeecs.Cluster+"/1", created)
		}
	case "RegisterTaskDefinition":
		add("ecs:RegisterTaskDefinition", ecs+":task-definition/"+b.Family+":1", nil)
		if len(b.Tags) > 0 {
			add("ecs:TagResource", ecs+":task-definition/"+b.Family+":1", created)
		}
		for _, role := range []string{b.TaskRoleArn, b.ExecutionRoleArn} {
			add("iam:PassRole", role, map[string]string{"iam:PassedToService": "ecs-tasks.amazonaws.com"})
		}
	case "StopTask":
		add("ecs:StopTask", b.Task, cluster)
	case "DescribeTasks":
		for _, task := range b.Tasks {
			add("ecs:DescribeTasks", task, cluster)
		}
	case "ListTasks":
		add("ecs:ListTasks", "*", cluster)
	case "DescribeTaskDefinition":
		add("ecs:DescribeTaskDefinition", "*", nil)
	case "ReceiveMessage":
		add("sqs:ReceiveMessage", said["aws_sqs_queue.events.arn"], nil)
	case "DeleteMessageBatch":
		add("sqs:DeleteMessage", said["aws_sqs_queue.events.arn"], nil)
	case "GetLogEvents":
		add("logs:GetLogEvents", "arn:aws:logs:"+region+":"+account+":log-group:"+b.LogGroupName+":log-stream:"+b.LogStreamName, nil)
	default:
		add(r.action, "unknown", nil)
	}
	return all
}

// work has a provisioner with what the dispatchers are told do everything that it
// does, and returns its requests, and the families of its task definitions.
func work(t *testing.T, p *terraform.Plan) (requests []request, families []string) {
	t.Helper()
	c := definition(t, p, "aws_ecs_task_definition.dispatcher")
	value := func(name string) string {
		v, ok := c.flag(name)
		if !ok {
			t.Fatalf("the dispatcher has no --%s", name)
		}
		return v
	}
	running := make(chan *fakeecs.Stub, 2)
	server := fakeecs.New(fakeecs.Options{Run: func(c fakeecs.Container) fakeecs.Running {
		stub := fakeecs.NewStub(c)
		running <- stub
		return stub
	}})
	t.Cleanup(server.Close)
	record := &recorder{to: server, seen: map[string]chan struct{}{}}
	front := httptest.NewServer(record)
	t.Cleanup(front.Close)
	o := fargate.DefaultOptions(aws.Config{
		Region: region, BaseEndpoint: aws.String(front.URL), Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
	}, value("fargate-cluster"))
	o.Installation, o.Subnets = value("fargate-installation"), strings.Split(value("fargate-subnets"), ",")
	o.SecurityGroups = []string{value("fargate-security-groups")}
	o.TaskRole, o.ExecutionRole, o.LogGroup = value("fargate-task-role"), value("fargate-execution-role"), value("fargate-log-group")
	o.QueueURL, o.Sweep, o.Logger = server.URL+fakeecs.QueuePath, 10*time.Millisecond, slog.New(slog.DiscardHandler)
	f, err := fargate.New(t.Context(), o)
	must(t, err)
	defer func() { _ = f.Close() }()
	launch := func(id string) *fakeecs.Stub {
		_, err := f.Launch(t.Context(), provision.Intent{
			ExecutionID: id, ExecutionKey: "p.g.f.i." + id, Project: "p", Version: "v", Function: "f", Invocation: "i",
			CPU: 0.25, MemoryGiB: 0.5, Credentials: []byte("secret"), Image: value("repository") + "@sha256:0",
		})
		must(t, err)
		return <-running
	}
	launch("stopped")
	record.wait("DescribeTasks") // it looks at what lives
	must(t, f.Stop(t.Context(), "stopped", multinode.Worker{}, time.Minute))
	launch("failed").End(1, false)
	for _, action := range []string{"GetLogEvents", "DeleteMessageBatch"} {
		record.wait(action) // they come in their own time
	}
	record.mu.Lock()
	defer record.mu.Unlock()
	return record.requests, server.Families()
}

// What the provisioner asks for, with the very parameters, is granted.
func TestWhatIsAskedForIsGranted(t *testing.T) {
	p := mustPlan(t, nil)
	granted := policy(t, p, "aws_iam_role_policy.dispatcher")
	requests, families := work(t, p)
	used := map[string]bool{}
	for _, r := range requests {
		for _, n := range r.needs() {
			used[n.action] = true
			if !granted.Allows(n.action, n.resource, n.context) {
				t.Errorf("%s: %s on %s in %v is not granted", r.action, n.action, n.resource, n.context)
			}
		}
	}
	for _, s := range granted.Statement {
		for _, action := range s.Action {
			if !used[action] && !strings.HasPrefix(action, "ecr:") {
				t.Errorf("%s is granted, and was not needed", action)
			}
		}
	}
	// The rule sends the events of these tasks.
	rule := resource(t, p, "aws_cloudwatch_event_rule.events").GetAttr("event_pattern").AsString()
	for _, family := range families {
		prefix := groupPrefix(t, rule)
		if !strings.HasPrefix("family:"+family, prefix) {
			t.Errorf("the rule wants %s, and the tasks are of the group family:%s", prefix, family)
		}
	}
	// Neither tasks of the control plane nor its roles.
	ecs := strings.Split(fakeecs.ClusterARN, ":cluster/")[0]
	for _, n := range []needed{
		{"ecs:RunTask", ecs + ":task-definition/multinode-gateway:1", map[string]string{"ecs:cluster": fakeecs.ClusterARN}},
		{"ecs:RunTask", ecs + ":task-definition/multinode-workers-1:1", map[string]string{"ecs:cluster": ecs + ":cluster/other"}},
		{"ecs:StopTask", ecs + ":task/other/1", nil},
		{"iam:PassRole", "aws_iam_role.dispatcher.arn", map[string]string{"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
		{"iam:PassRole", said["aws_iam_role.worker.arn"], map[string]string{"iam:PassedToService": "ec2.amazonaws.com"}},
	} {
		if granted.Allows(n.action, n.resource, n.context) {
			t.Errorf("%s on %s in %v is granted", n.action, n.resource, n.context)
		}
	}
}

// groupPrefix is the prefix of groups in a rule's pattern.
func groupPrefix(t *testing.T, rule string) string {
	t.Helper()
	var pattern struct {
		Detail struct{ Group []struct{ Prefix string } }
	}
	must(t, json.Unmarshal([]byte(rule), &pattern))
	return pattern.Detail.Group[0].Prefix
}
