package fargate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

const (
	// visibleAfter is the time after which a task that was made is shown by the API.
	visibleAfter = 30 * time.Second
	// lookPause is between looks at what is not shown yet.
	lookPause = 2 * time.Second
)

// attempts counts the launches of an execution that the service has refused.
type attempts struct {
	next  int // the number of the next token
	at    time.Time
	clear bool // there is no task, by what the last one was told
}

var errStopped = errors.New("the worker was told to stop: this execution is not launched again")

// Launch implements provision.Provisioner.
func (p *Provisioner) Launch(ctx context.Context, intent provision.Intent) (multinode.Worker, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	arn, err := p.launch(ctx, intent)
	if err != nil {
		return multinode.Worker{}, fmt.Errorf("launching a worker: %w", failure(err))
	}
	return handle(arn), nil
}

func (p *Provisioner) launch(ctx context.Context, intent provision.Intent) (string, error) {
	if err := intent.Validate(); err != nil {
		return "", permanent(err)
	}
	size, err := SizeFor(intent.CPU, intent.MemoryGiB)
	if err != nil {
		return "", permanent(err)
	}
	arn, release, err := p.reserve(intent.ExecutionID)
	if err != nil || arn != "" {
		return arn, err
	}
	defer release()
	definition, err := p.define(ctx, intent.Image, intent.Environment)
	if err != nil {
		return "", err
	}
	if err := p.turns.wait(ctx, cmp.Or(intent.Invocation, intent.ExecutionID)); err != nil {
		p.noTask(intent.ExecutionID, err)
		return "", err
	}
	arn, err = p.attempt(ctx, intent, size, definition)
	if p.options.Spot && provision.KindOf(err) == provision.NoCapacity {
		p.turns.borrow()
		arn, err = p.attempt(ctx, intent, size, definition) // the other provider's turn
	}
	if provision.KindOf(err) == provision.NoCapacity {
		p.turns.note(err.Error())
	}
	p.noTask(intent.ExecutionID, err)
	return arn, err
}

// noTask notes that a launch was refused by a clear word: there is nothing that Stop
// would have to look for. Where an earlier owner's launch had worked all the same,
// the task is found and swept up with those that belong to nobody.
func (p *Provisioner) noTask(id string, err error) {
	if err != nil && provision.KindOf(err) != provision.Transient {
		p.mu.Lock()
		p.attemptsOf(id).clear = true
		p.mu.Unlock()
	}
}

// reserve returns the task where it is known, and else takes up room for it.
func (p *Provisioner) reserve(id string) (arn string, release func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return "", nil, ErrClosed
	}
	if _, stopped := p.stopped[id]; stopped {
		return "", nil, refusal(provision.Transient, retryBroken, errStopped)
	}
	if w := p.workers[id]; w != nil {
		if w.ended() {
			p.tasks.Go(func() { p.notify(w.exit) })
		}
		return w.arn, nil, nil
	}
	if limit := p.options.MaxTasks; limit > 0 && p.reserved[id] == 0 {
		taken := len(p.reserved)
		for _, w := range p.workers {
			if !w.ended() {
				taken++
			}
		}
		if taken >= limit {
			return "", nil, refusal(provision.NoCapacity, retryBroken, fmt.Errorf("all %d tasks that may run at a time are in use", limit))
		}
	}
	p.reserved[id]++
	return "", func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.reserved[id]--; p.reserved[id] == 0 {
			delete(p.reserved, id)
		}
	}, nil
}

// attempt asks for the task with the next token.
func (p *Provisioner) attempt(ctx context.Context, intent provision.Intent, size Size, definition string) (string, error) {
	id := intent.ExecutionID
	n := p.number(id)
	input, err := p.request(intent, size, definition, n)
	if err != nil {
		return "", permanent(err)
	}
	output, err := p.ecs.RunTask(ctx, input)
	failpoint.Hit("fargate.launched")
	var conflict *types.ConflictException
	switch {
	case errors.As(err, &conflict):
		return p.resolve(ctx, id, n)
	case withoutDefinition(err):
		p.definitions.forget(definition)
		return "", refusal(provision.Transient, retryThrottled, errors.New("the task definition was removed by somebody, and is made anew: "+err.Error()))
	case err != nil:
		err = failure(err)
		if provision.KindOf(err) == provision.NoCapacity {
			p.refused(id, n)
		}
		return "", err
	case len(output.Failures) > 0:
		p.refused(id, n)
		return "", refused(aws.ToString(output.Failures[0].Reason), aws.ToString(output.Failures[0].Detail))
	case len(output.Tasks) == 0:
		return "", refusal(provision.Transient, retryBroken, errors.New("AWS answered without a task and without a reason"))
	}
	return p.launched(ctx, intent, output.Tasks[0])
}

// launched takes the new task in, and ends it where Stop has come in between.
func (p *Provisioner) launched(ctx context.Context, intent provision.Intent, task types.Task) (string, error) {
	id, arn := intent.ExecutionID, aws.ToString(task.TaskArn)
	p.mu.Lock()
	_, stopped := p.stopped[id]
	if !stopped && p.workers[id] == nil {
		p.workers[id] = &worker{id: id, arn: arn, key: intent.ExecutionKey, done: make(chan struct{}), seen: p.options.Clock.Now()}
	}
	delete(p.attempts, id)
	p.mu.Unlock()
	if stopped {
		err := p.stopTask(context.WithoutCancel(ctx), arn, stopReason)
		return "", refusal(provision.Transient, retryBroken, errors.Join(errStopped, err))
	}
	return arn, nil
}

// resolve is for a token that was used with other parameters, such as earlier
// credentials: there is a task, which may not be shown yet, or there was a refusal.
func (p *Provisioner) resolve(ctx context.Context, id string, n int) (string, error) {
	for began := p.options.Clock.Now(); ; {
		task, err := p.lookup(ctx, id)
		if err != nil {
			return "", err
		}
		if task != nil {
			if byStop(*task) {
				return "", refusal(provision.Transient, retryBroken, errStopped)
			}
			p.observe(*task)
			return aws.ToString(task.TaskArn), nil
		}
		if p.options.Clock.Since(began) >= visibleAfter { // a task would show by now
			p.refused(id, n)
			return "", refusal(provision.Transient, retryThrottled, errors.New("an earlier launch of this execution came to nothing"))
		}
		select {
		case <-p.options.Clock.After(lookPause):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// number is that of the next token.
func (p *Provisioner) number(id string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.attemptsOf(id)
	a.clear = false
	return a.next
}

// refused moves on to the next token, unless that has been done.
func (p *Provisioner) refused(id string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.attemptsOf(id)
	if a.next == n {
		*a = attempts{next: n + 1, at: p.options.Clock.Now()}
	}
}

func (p *Provisioner) attemptsOf(id string) *attempts {
	a := p.attempts[id]
	if a == nil {
		a = &attempts{at: p.options.Clock.Now()}
		p.attempts[id] = a
	}
	return a
}
