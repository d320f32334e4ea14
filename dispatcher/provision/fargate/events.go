package fargate

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"multinode/dispatcher/provision"
)

// event is what EventBridge sends of a task's change, as far as it is read.
type event struct {
	DetailType string `json:"detail-type"`
	Detail     struct {
		TaskArn, TaskDefinitionArn, ClusterArn, StartedBy, LastStatus, StopCode, StoppedReason string
		StartedAt                                                                              *time.Time
		Containers                                                                             []struct {
			Name, LastStatus, Reason string
			ExitCode                 *int32
		}
	} `json:"detail"`
}

// hear takes the cluster's events, until the provisioner is closed. They are hints
// that save waiting for the sweep, and may come twice, late, or in another order:
// whatever they say, a worker only ever goes on, from starting to its end. A
// message that cannot be read is left in the queue, which moves it to its
// dead-letter queue for people to look at.
func (p *Provisioner) hear() {
	for p.life.Err() == nil {
		output, err := p.sqs.ReceiveMessage(p.life, &sqs.ReceiveMessageInput{
			QueueUrl: aws.String(p.options.QueueURL), MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
		})
		if err != nil {
			if p.life.Err() != nil {
				return
			}
			p.options.Logger.Warn("the queue of task changes cannot be read", slog.Any("error", err))
			select {
			case <-p.options.Clock.After(retryBroken):
			case <-p.life.Done():
			}
			continue
		}
		var done []sqstypes.DeleteMessageBatchRequestEntry
		for i, message := range output.Messages {
			if err := p.take(aws.ToString(message.Body)); err != nil {
				p.options.Logger.Warn("a message in the queue of task changes cannot be read", slog.Any("error", err))
				continue
			}
			done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: message.ReceiptHandle})
		}
		if len(done) == 0 {
			continue
		}
		if _, err := p.sqs.DeleteMessageBatch(p.life, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(p.options.QueueURL), Entries: done}); err != nil && p.life.Err() == nil {
			p.options.Logger.Warn("messages cannot be deleted from the queue of task changes", slog.Any("error", err))
		}
	}
}

// take observes the task of an event. Dispatchers share the queue: of a task that
// is not known here the end is told on, and reaches the one that knows it.
func (p *Provisioner) take(body string) error {
	var e event
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return err
	}
	if e.DetailType != "ECS Task State Change" || e.Detail.ClusterArn != p.options.Cluster {
		return nil
	}
	task := e.task()
	p.mu.Lock()
	w := p.workers[e.Detail.StartedBy]
	known := w != nil && w.arn == e.Detail.TaskArn
	p.mu.Unlock()
	switch {
	case known:
		p.observe(task)
	case ended(task) && !byStop(task) && p.defined(e.Detail.TaskDefinitionArn) && provision.ValidateExecutionID(e.Detail.StartedBy) == nil:
		p.notify(explain(task))
	}
	return nil
}

func (e event) task() types.Task {
	d := e.Detail
	task := types.Task{
		TaskArn: aws.String(d.TaskArn), StartedBy: aws.String(d.StartedBy), LastStatus: aws.String(d.LastStatus),
		StopCode: types.TaskStopCode(d.StopCode), StoppedReason: aws.String(d.StoppedReason), StartedAt: d.StartedAt,
	}
	for _, c := range d.Containers {
		task.Containers = append(task.Containers, types.Container{Name: aws.String(c.Name), LastStatus: aws.String(c.LastStatus), Reason: aws.String(c.Reason), ExitCode: c.ExitCode})
	}
	return task
}

// defined tells whether a task definition is of this installation: events have no
// tags.
func (p *Provisioner) defined(arn string) bool {
	family, _, _ := strings.Cut(arn[strings.LastIndexByte(arn, '/')+1:], ":")
	sum, ok := strings.CutPrefix(family, p.options.Installation+"-")
	return ok && len(sum) == familySum && !strings.Contains(sum, "-")
}
