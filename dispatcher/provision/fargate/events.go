package fargate

import (
	"encoding/json"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// event is what EventBridge sends of a task's change, as far as it is read.
type event struct {
	DetailType string `json:"detail-type"`
	Detail     struct {
		TaskArn, ClusterArn, StartedBy, LastStatus, StopCode, StoppedReason string
		StartedAt                                                           *time.Time
		Containers                                                          []struct {
			LastStatus, Reason string
			ExitCode           *int32
		}
	} `json:"detail"`
}

// hear takes the cluster's events, until the provisioner is closed. They are hints
// that save waiting for the sweep: dispatchers share the queue, and one that is
// not read is not missed.
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
		for _, message := range output.Messages {
			p.take(aws.ToString(message.Body))
			done = append(done, sqstypes.DeleteMessageBatchRequestEntry{Id: message.MessageId, ReceiptHandle: message.ReceiptHandle})
		}
		if len(done) == 0 {
			continue
		}
		if _, err := p.sqs.DeleteMessageBatch(p.life, &sqs.DeleteMessageBatchInput{QueueUrl: aws.String(p.options.QueueURL), Entries: done}); err != nil && p.life.Err() == nil {
			p.options.Logger.Warn("messages cannot be deleted from the queue of task changes", slog.Any("error", err))
		}
	}
}

// take observes the task of an event where it is known here.
func (p *Provisioner) take(body string) {
	var e event
	if err := json.Unmarshal([]byte(body), &e); err != nil || e.DetailType != "ECS Task State Change" || e.Detail.ClusterArn != p.options.Cluster {
		return
	}
	d := e.Detail
	p.mu.Lock()
	w := p.workers[d.StartedBy]
	known := w != nil && w.arn == d.TaskArn
	p.mu.Unlock()
	if !known {
		return
	}
	task := types.Task{
		TaskArn: aws.String(d.TaskArn), StartedBy: aws.String(d.StartedBy), LastStatus: aws.String(d.LastStatus),
		StopCode: types.TaskStopCode(d.StopCode), StoppedReason: aws.String(d.StoppedReason), StartedAt: d.StartedAt,
	}
	for _, c := range d.Containers {
		task.Containers = append(task.Containers, types.Container{LastStatus: aws.String(c.LastStatus), Reason: aws.String(c.Reason), ExitCode: c.ExitCode})
	}
	p.observe(task)
}
