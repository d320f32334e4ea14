package fargate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode/dispatcher/provision"
)

// batch is how many tasks the service describes, and lists, in one call.
const batch = 100

// fresh is how old a listing may be to serve another caller.
const fresh = time.Second

// listing keeps callers that come at the same time from asking the same.
type listing struct {
	mu sync.Mutex
	at time.Time
}

// List implements provision.Provisioner. It says what was known a second ago at
// most of the tasks that there are, and a sweep ago of whether they live.
func (p *Provisioner) List(ctx context.Context) ([]provision.Worker, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	if err := p.find(ctx, false); err != nil {
		return nil, fmt.Errorf("listing workers: %w", failure(err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	workers := make([]provision.Worker, 0, len(p.workers))
	for _, w := range p.workers {
		if w.swept {
			continue
		}
		workers = append(workers, provision.Worker{
			ExecutionID: w.id, ExecutionKey: w.key, Handle: handle(w.arn), Started: true, Alive: !w.ended(),
		})
	}
	return workers, nil
}

// find looks for tasks that are not known yet; at the opening also for those that
// have ended.
func (p *Provisioner) find(ctx context.Context, opening bool) error {
	p.listing.mu.Lock()
	defer p.listing.mu.Unlock()
	if now := time.Now(); !opening && now.Sub(p.listing.at) < fresh {
		return nil
	}
	began := time.Now()
	arns, err := p.listTasks(ctx, "", types.DesiredStatusRunning)
	if err == nil && opening {
		var stopped []string
		stopped, err = p.listTasks(ctx, "", types.DesiredStatusStopped)
		arns = append(arns, stopped...)
	}
	if err != nil {
		return err
	}
	tasks, _, err := p.describe(ctx, p.unknown(arns))
	for _, task := range tasks {
		p.observe(task)
	}
	if err == nil {
		p.listing.at = began
	}
	return err
}

func (p *Provisioner) unknown(arns []string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := make(map[string]bool, len(p.workers))
	for _, w := range p.workers {
		known[w.arn] = true
	}
	return slices.DeleteFunc(arns, func(arn string) bool { return known[arn] })
}

// listTasks returns all pages. A startedBy is the only filter then.
func (p *Provisioner) listTasks(ctx context.Context, startedBy string, desired types.DesiredStatus) ([]string, error) {
	var arns []string
	input := &ecs.ListTasksInput{Cluster: aws.String(p.options.Cluster), StartedBy: optional(startedBy), DesiredStatus: desired}
	for {
		if err := p.reads.Wait(ctx); err != nil {
			return nil, err
		}
		page, err := p.ecs.ListTasks(ctx, input)
		if err != nil {
			return nil, err
		}
		arns = append(arns, page.TaskArns...)
		if input.NextToken = page.NextToken; input.NextToken == nil {
			return arns, nil
		}
	}
}

// describe returns the tasks, and which of them the service does not know.
func (p *Provisioner) describe(ctx context.Context, arns []string) (tasks []types.Task, missing []string, err error) {
	for part := range slices.Chunk(arns, batch) {
		if err := p.reads.Wait(ctx); err != nil {
			return tasks, missing, err
		}
		output, err := p.ecs.DescribeTasks(ctx, &ecs.DescribeTasksInput{
			Cluster: aws.String(p.options.Cluster), Tasks: part, Include: []types.TaskField{types.TaskFieldTags},
		})
		if err != nil {
			return tasks, missing, err
		}
		tasks = append(tasks, output.Tasks...)
		for _, failure := range output.Failures {
			if aws.ToString(failure.Reason) == "MISSING" {
				missing = append(missing, aws.ToString(failure.Arn))
			}
		}
	}
	return tasks, missing, nil
}

// lookup finds the task of an execution, a living one first; nil where there is
// none.
func (p *Provisioner) lookup(ctx context.Context, id string) (*types.Task, error) {
	for _, desired := range []types.DesiredStatus{types.DesiredStatusRunning, types.DesiredStatusStopped} {
		arns, err := p.listTasks(ctx, id, desired)
		if err != nil || len(arns) == 0 {
			if err != nil {
				return nil, err
			}
			continue
		}
		tasks, missing, err := p.describe(ctx, arns)
		if err != nil {
			return nil, err
		}
		for _, task := range tasks {
			if p.ours(task) {
				return &task, nil
			}
		}
		if len(missing) > 0 {
			return nil, errors.New("AWS lists a task that it does not show yet")
		}
	}
	return nil, nil
}
