package fakeecs

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Task is what a test may want to know of a task.
type Task struct {
	ARN, StartedBy, Last, Desired, StopCode, StoppedReason, Provider, CPU, Memory string
	Tags                                                                          map[string]string
}

// Tasks returns all tasks that the service remembers, the oldest first.
func (s *Server) Tasks() []Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	tasks := make([]Task, 0, len(s.tasks))
	for _, t := range s.tasks {
		v := t.view(true)
		tags := map[string]string{}
		for _, tag := range v.Tags {
			tags[tag.Key] = tag.Value
		}
		tasks = append(tasks, Task{
			ARN: t.arn, StartedBy: v.StartedBy, Last: t.last, Desired: t.desired, StopCode: t.stopCode, StoppedReason: t.stoppedReason,
			Provider: v.CapacityProviderName, CPU: v.CPU, Memory: v.Memory, Tags: tags,
		})
	}
	return tasks
}

// Families returns the names of all task definitions.
func (s *Server) Families() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.definitions))
}

// PassStopTimeout lets the stop timeout of the tasks that were started by the
// given one pass in no time, a moment after they were asked to end. It stands for
// the two minutes that nobody wants to wait for in a test.
func (s *Server) PassStopTimeout(startedBy string, moment time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if t.request.StartedBy == startedBy && t.stoppedAt.IsZero() {
			s.runs.Go(func() { t.passStopTimeout(moment) })
		}
	}
}

func (t *task) passStopTimeout(moment time.Duration) {
	<-t.stopping
	<-time.After(moment)
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.killLocked()
}

// AwaitState waits until the task that was started by the given one is, or has
// been, in a state. It fails with a panic when ctx ends first.
func (s *Server) AwaitState(ctx context.Context, startedBy, state string) {
	s.await(ctx, startedBy+" is not "+state, func() bool {
		for _, t := range s.tasks {
			if t.request.StartedBy == startedBy && slices.Contains(t.been, state) {
				return true
			}
		}
		return false
	})
}

// AwaitQueued waits until so many messages are in the queue.
func (s *Server) AwaitQueued(ctx context.Context, n int) {
	s.await(ctx, "the queue is not as long as it should be", func() bool { return len(s.queue) == n })
}

func (s *Server) await(ctx context.Context, what string, done func() bool) {
	for {
		s.mu.Lock()
		changed, ok := s.changed, done()
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			panic("fakeecs: " + what + ": " + ctx.Err().Error())
		}
	}
}

// Stop lets all tasks that run end, as when they are asked to from outside.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		t.stopLocked("UserInitiated", "stopped by the test")
	}
}

// Events returns all events that were sent, where Options.KeepEvents is set.
func (s *Server) Events() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// States returns the states that a task has been in.
func (s *Server) States(startedBy string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks {
		if t.request.StartedBy == startedBy {
			return slices.Clone(t.been)
		}
	}
	return nil
}
