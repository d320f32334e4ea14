package fargate

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode/dispatcher/provision"
)

// Reasons with which tasks are stopped, by which they are known again. The first
// one says that nobody needs to hear of the task any more.
const (
	stopReason     = "multinode: the worker was told to stop"
	deadlineReason = "multinode: the task did not start in time"
)

// worker is a task of ours. All but the first fields is guarded by the lock.
type worker struct {
	id, arn string
	done    chan struct{} // closed when it has ended

	key      string
	seen     time.Time // when it was first seen here, or launched
	started  bool      // its container ran
	late     bool      // it was stopped because it did not start
	stopping bool      // Stop has asked it to end
	ending   bool
	swept    bool // ended by Stop, of whichever provisioner
	exit     provision.Exit
}

func (w *worker) ended() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// observe takes in what the service says of a task. A task of another
// installation is none of ours. With tags it may be one that was not known yet.
func (p *Provisioner) observe(task types.Task) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := aws.ToString(task.StartedBy)
	w := p.workers[id]
	if w == nil || w.arn != aws.ToString(task.TaskArn) {
		if w != nil && !ended(task) {
			p.options.Logger.Error("an execution has two tasks", "execution_id", id, "task", aws.ToString(task.TaskArn))
		}
		if w != nil || !p.ours(task) || ended(task) && byStop(task) {
			return w
		}
		w = &worker{id: id, arn: aws.ToString(task.TaskArn), done: make(chan struct{}), key: keyOf(task.Tags), seen: p.options.Clock.Now()}
		if task.CreatedAt != nil {
			w.seen = *task.CreatedAt
		}
		p.workers[id] = w
	}
	w.started = w.started || task.StartedAt != nil || aws.ToString(task.LastStatus) == "RUNNING"
	if ended(task) && !w.ending && !p.closed {
		w.ending = true
		p.tasks.Go(func() { p.end(w, task) })
	}
	return w
}

// end tells of the end, with the last lines of a worker that failed.
func (p *Provisioner) end(w *worker, task types.Task) {
	exit := explain(task)
	if failed(task) {
		exit.Detail += p.tail(w.arn)
	}
	p.mu.Lock()
	w.exit, w.swept = exit, byStop(task)
	close(w.done)
	p.mu.Unlock()
	p.notify(exit)
}

// notify waits until the notice is taken, or the provisioner is closed.
func (p *Provisioner) notify(exit provision.Exit) {
	select {
	case p.exits <- exit:
	case <-p.life.Done():
	}
}

// ours tells whether the task was launched by this installation.
func (p *Provisioner) ours(task types.Task) bool {
	return tagged(task.Tags, installationTag) == p.options.Installation && provision.ValidateExecutionID(aws.ToString(task.StartedBy)) == nil
}

// ended tells whether the worker's container has ended, which is known before the
// task is STOPPED.
func ended(task types.Task) bool {
	if status := aws.ToString(task.LastStatus); status == "STOPPED" || status == "DELETED" {
		return true
	}
	return aws.ToString(ofWorker(task).LastStatus) == "STOPPED"
}

// ofWorker returns the worker's container. AWS may put others of its own beside it,
// such as those of its monitoring.
func ofWorker(task types.Task) types.Container {
	for _, c := range task.Containers {
		if aws.ToString(c.Name) == container {
			return c
		}
	}
	return types.Container{}
}

func byStop(task types.Task) bool { return aws.ToString(task.StoppedReason) == stopReason }

func tagged(tags []types.Tag, key string) string {
	for _, tag := range tags {
		if aws.ToString(tag.Key) == key {
			return aws.ToString(tag.Value)
		}
	}
	return ""
}

// keyOf joins the execution key, which may be longer than a tag's value.
func keyOf(tags []types.Tag) string {
	var key strings.Builder
	for _, name := range keyTags {
		key.WriteString(tagged(tags, name))
	}
	return key.String()
}
