package fakeecs

import (
	"maps"
	"slices"
	"time"
)

// Task is what a test may want to know of a task.
type Task struct {
	ARN, StartedBy, Last, StopCode, StoppedReason, Provider, CPU, Memory string
	Tags                                                                 map[string]string
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
			ARN: t.arn, StartedBy: v.StartedBy, Last: t.last, StopCode: t.stopCode, StoppedReason: t.stoppedReason,
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
