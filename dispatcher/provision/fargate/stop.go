package fargate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode"
	"multinode/dispatcher/provision"
)

// Stop implements provision.Provisioner. The grace is the stop timeout of the
// task, whatever is asked for.
func (p *Provisioner) Stop(ctx context.Context, executionID string, h multinode.Worker, _ time.Duration) error {
	if err := provision.ValidateExecutionID(executionID); err != nil {
		return fmt.Errorf("stopping a worker: %w", permanent(err))
	}
	ctx, cancel := p.bound(ctx)
	defer cancel()
	if err := p.stop(ctx, executionID, h); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("stopping the worker %s: %w", executionID, failure(err))
	}
	return nil
}

func (p *Provisioner) stop(ctx context.Context, id string, h multinode.Worker) error {
	w, err := p.toStop(ctx, id, h)
	if err != nil || w == nil {
		return err
	}
	if !w.ended() {
		if err := p.stopTask(ctx, w.arn, stopReason); err != nil {
			return err
		}
		select {
		case <-w.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers[id] == w {
		delete(p.workers, id)
	}
	return nil
}

// toStop finds what is to be ended, and keeps it from being launched meanwhile.
func (p *Provisioner) toStop(ctx context.Context, id string, h multinode.Worker) (*worker, error) {
	p.mu.Lock()
	p.stopped[id] = p.options.Clock.Now().Add(rememberFor)
	w := p.workers[id]
	if w != nil {
		w.stopping = true
	}
	refused := p.attempts[id] != nil && p.attempts[id].clear && p.reserved[id] == 0
	if refused { // a shortage makes many of them
		p.stopped[id] = p.options.Clock.Now().Add(rememberRefused)
		delete(p.attempts, id)
	}
	p.mu.Unlock()
	if w != nil || refused {
		return w, nil
	}
	task, err := p.byHandle(ctx, id, h)
	if task == nil && err == nil {
		task, err = p.lookup(ctx, id)
	}
	if err != nil || task == nil {
		return nil, err
	}
	return p.observe(*task), nil
}

// stopTask asks for the end of a task. What the answer says of it counts: one whose
// container was not started yet will not be, and has ended thereby.
func (p *Provisioner) stopTask(ctx context.Context, arn, reason string) error {
	if err := p.stops.Wait(ctx); err != nil {
		return err
	}
	output, err := p.ecs.StopTask(ctx, &ecs.StopTaskInput{Cluster: aws.String(p.options.Cluster), Task: aws.String(arn), Reason: aws.String(reason)})
	if notFound(err) {
		return nil // forgotten: the sweep finds it missing
	}
	if err != nil {
		return err
	}
	if task := output.Task; task != nil && neverToStart(*task) {
		task.LastStatus, task.StoppedReason = aws.String("STOPPED"), aws.String(reason)
		p.observe(*task)
	}
	return nil
}

// neverToStart tells a task that is to stop while nothing of it has begun to run.
// Some never leave PENDING, not even for STOPPED.
func neverToStart(task types.Task) bool {
	last := aws.ToString(task.LastStatus)
	return aws.ToString(task.DesiredStatus) == "STOPPED" && task.StartedAt == nil && (last == "PROVISIONING" || last == "PENDING")
}

// byHandle spares the lookup where the task is known.
func (p *Provisioner) byHandle(ctx context.Context, id string, h multinode.Worker) (*types.Task, error) {
	if h.Kind != Kind || !strings.HasPrefix(h.ID, "arn:") {
		return nil, nil
	}
	tasks, _, err := p.describe(ctx, []string{h.ID})
	if err != nil || len(tasks) == 0 || aws.ToString(tasks[0].StartedBy) != id {
		return nil, err
	}
	return &tasks[0], nil
}

// notFound tells that the service has forgotten the task.
func notFound(err error) bool {
	var invalid *types.InvalidParameterException
	return errors.As(err, &invalid) && strings.Contains(invalid.ErrorMessage(), "not found")
}
