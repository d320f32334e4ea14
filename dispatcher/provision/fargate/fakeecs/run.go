package fakeecs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"
)

// remembered is what the service answered to a client token.
type remembered struct {
	request runTask
	answer  any
	task    *task
}

func (s *Server) runTask(in runTask) (any, *failure) {
	asked := s.byARN[""]
	definition, fail := s.validateRun(in)
	if fail != nil {
		return nil, fail
	}
	s.forget()
	if known := s.tokens[in.ClientToken]; in.ClientToken != "" && known != nil {
		if !reflect.DeepEqual(known.request, in) {
			return nil, &failure{Type: "ConflictException", Message: "The provided client token was used with other parameters"}
		}
		return known.answer, nil
	}
	if asked != nil && asked.fault.Failure != "" {
		answer := map[string]any{"tasks": []any{}, "failures": []any{map[string]string{"reason": asked.fault.Failure}}}
		s.remember(in, answer, nil)
		return answer, nil
	}
	t := s.newTask(in, definition)
	if asked != nil {
		t.fault = asked.fault
	}
	answer := map[string]any{"tasks": []any{frozen(t.view(true))}, "failures": []any{}}
	s.remember(in, answer, t)
	s.wake()
	s.runs.Go(t.live)
	return answer, nil
}

// frozen is what was true then: later answers to the same token repeat it.
func frozen(v view) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("fakeecs: %v", err))
	}
	return data
}

func (s *Server) remember(in runTask, answer any, t *task) {
	if in.ClientToken != "" {
		s.tokens[in.ClientToken] = &remembered{request: in, answer: answer, task: t}
	}
}

// forget drops tasks, and their tokens, an hour after their stop.
func (s *Server) forget() {
	now := s.options.Clock.Now()
	kept := s.tasks[:0]
	for _, t := range s.tasks {
		if t.stoppedAt.IsZero() || now.Sub(t.stoppedAt) < memory {
			kept = append(kept, t)
			continue
		}
		delete(s.byARN, t.arn)
		delete(s.tokens, t.request.ClientToken)
	}
	s.tasks = kept
}

func (s *Server) stopTask(in struct{ Cluster, Task, Reason string }) (any, *failure) {
	if fail := checkCluster(in.Cluster); fail != nil {
		return nil, fail
	}
	if len(in.Reason) > 1024 {
		return nil, invalid("reason must not exceed 1024 characters")
	}
	t := s.byARN[in.Task]
	if t == nil {
		return nil, invalid("The referenced task was not found.")
	}
	t.stopLocked("UserInitiated", in.Reason)
	return map[string]any{"task": t.view(false)}, nil
}

func (s *Server) describeTasks(in struct {
	Cluster        string
	Tasks, Include []string
}) (any, *failure) {
	if fail := checkCluster(in.Cluster); fail != nil {
		return nil, fail
	}
	if len(in.Tasks) == 0 || len(in.Tasks) > 100 {
		return nil, invalid("Tasks must have 1 to 100 entries")
	}
	s.forget()
	found, failures := []view{}, []map[string]string{}
	for _, arn := range in.Tasks {
		if t := s.byARN[arn]; t != nil && s.visible(t) {
			found = append(found, t.view(len(in.Include) > 0))
		} else {
			failures = append(failures, map[string]string{"arn": arn, "reason": "MISSING"})
		}
	}
	return map[string]any{"tasks": found, "failures": failures}, nil
}

func (s *Server) visible(t *task) bool {
	return s.options.Clock.Since(t.createdAt) >= s.options.Visible
}

func (s *Server) listTasks(in struct {
	Cluster, StartedBy, Family, DesiredStatus, NextToken string
	ServiceName, LaunchType, ContainerInstance           string
	MaxResults                                           *int
}) (any, *failure) {
	if fail := checkCluster(in.Cluster); fail != nil {
		return nil, fail
	}
	if in.StartedBy != "" && (in.Family != "" || in.ServiceName != "" || in.LaunchType != "" || in.ContainerInstance != "") {
		return nil, invalid("startedBy must be the only filter")
	}
	desired := in.DesiredStatus
	if desired == "" {
		desired = "RUNNING"
	}
	if desired != "RUNNING" && desired != "STOPPED" {
		return nil, invalid("desiredStatus must be RUNNING or STOPPED")
	}
	limit := 100
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if limit < 1 || limit > 100 {
		return nil, invalid("maxResults must be from 1 to 100")
	}
	s.forget()
	arns, next, skipping := []string{}, "", in.NextToken != ""
	for _, t := range s.tasks {
		if skipping {
			skipping = t.arn != in.NextToken
			continue
		}
		if t.desired != desired || in.StartedBy != "" && t.request.StartedBy != in.StartedBy || !s.visible(t) {
			continue
		}
		if len(arns) == limit {
			next = arns[limit-1]
			break
		}
		arns = append(arns, t.arn)
	}
	answer := map[string]any{"taskArns": arns}
	if next != "" {
		answer["nextToken"] = next
	}
	return answer, nil
}

func seconds(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return float64(t.UnixMilli()) / 1000
}

func invalid(format string, args ...any) *failure {
	return &failure{Status: http.StatusBadRequest, Type: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}
