package fargate

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const (
	// missingAfter is when a task that the service does not show is taken for gone.
	missingAfter = 5 * time.Minute
	// rememberFor is longer than the service remembers a token after a stop.
	rememberFor = 2 * time.Hour
	// rememberRefused is for executions of which the service knows nothing.
	rememberRefused = 5 * time.Minute
)

// sweep looks at all living tasks, until the provisioner is closed. It is what
// ends are noticed by where no events come, and where one got lost.
func (p *Provisioner) sweep() {
	pause := p.sweepEvery(0)
	for {
		select {
		case <-p.options.Clock.After(pause):
		case <-p.life.Done():
			return
		}
		looked, err := p.look(p.life)
		if err != nil && p.life.Err() == nil {
			p.options.Logger.Warn("the tasks cannot be looked at", slog.Any("error", err))
		}
		p.endLate(p.life)
		p.forget()
		pause = p.sweepEvery(looked)
	}
}

// sweepEvery is the pause after a look that took so many calls. A third of the
// reads may be for it: other dispatchers look, too.
func (p *Provisioner) sweepEvery(calls int) time.Duration {
	pause := p.options.Sweep
	if pause == 0 {
		pause = 5 * time.Second
		if p.options.QueueURL != "" {
			pause = 20 * time.Second
		}
	}
	return max(pause, time.Duration(3*float64(calls)/p.options.ReadRate*float64(time.Second)))
}

// look returns how many calls it took.
func (p *Provisioner) look(ctx context.Context) (calls int, err error) {
	p.mu.Lock()
	byARN := make(map[string]*worker, len(p.workers))
	arns := make([]string, 0, len(p.workers))
	for _, w := range p.workers {
		if !w.ended() {
			byARN[w.arn] = w
			arns = append(arns, w.arn)
		}
	}
	p.mu.Unlock()
	// One batch at a time: what is known counts, though the next call may fail.
	for part := range slices.Chunk(arns, batch) {
		tasks, missing, err := p.describe(ctx, part)
		calls++
		if err != nil {
			return calls, err
		}
		for _, task := range tasks {
			p.observe(task)
		}
		for _, arn := range missing {
			if w := byARN[arn]; w != nil && p.options.Clock.Since(w.seen) > missingAfter {
				p.observe(types.Task{
					TaskArn: aws.String(arn), StartedBy: aws.String(w.id), LastStatus: aws.String("STOPPED"),
					StoppedReason: aws.String("AWS does not know the task any more"),
				})
			}
		}
	}
	return calls, nil
}

// endLate stops tasks that do not start: some never leave PENDING.
func (p *Provisioner) endLate(ctx context.Context) {
	var late []*worker
	p.mu.Lock()
	for _, w := range p.workers {
		if !w.started && !w.late && !w.stopping && !w.ending && p.options.Clock.Since(w.seen) > p.options.StartDeadline {
			late = append(late, w)
		}
	}
	p.mu.Unlock()
	for _, w := range late {
		if err := p.stopTask(ctx, w.arn, deadlineReason); err != nil {
			p.log(w.id).Warn("a task that does not start cannot be stopped", slog.Any("error", err))
			continue
		}
		p.mu.Lock()
		w.late = true
		p.mu.Unlock()
	}
}

// forget drops what nobody asks for any more.
func (p *Provisioner) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, until := range p.stopped {
		if p.options.Clock.Now().After(until) {
			delete(p.stopped, id)
		}
	}
	for id, a := range p.attempts {
		if p.options.Clock.Since(a.at) > rememberFor {
			delete(p.attempts, id)
		}
	}
	for id, w := range p.workers {
		if w.swept && w.ended() && p.options.Clock.Since(w.seen) > rememberFor {
			delete(p.workers, id)
		}
	}
}
