package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// launched brings an invocation to a launched execution whose worker has not
// announced itself, and returns the execution's path and the worker's view.
func (s *system) launched(p multinode.Project, function string) (string, multinode.ExecutionKey, *system) {
	s.t.Helper()
	path, k := s.invoke(p, function, `[[1], {}]`)
	_, _, err := s.store.Record(s.t.Context(), k)
	s.must(err)
	id := multinode.NewID(multinode.ExecutionPrefix)
	s.apply(k, multinode.LaunchIntended{Execution: id, At: time.Now().UTC()})
	x := k.Execution(id)
	return path + "/executions/" + id, x, s.as(s.store.WorkerKey(x))
}

func (s *system) settle(x multinode.ExecutionKey) multinode.Invocation {
	s.t.Helper()
	o, _, err := s.store.Outcome(s.t.Context(), x)
	s.must(err)
	return s.apply(x.Invocation, multinode.ExecutionEnded{Execution: x.ID, Outcome: o.Kind, At: time.Now().UTC()})
}

func TestAWorkerThatHasOnlyHTTP(t *testing.T) {
	s := start(t)
	p, v := s.deploy("p", spec("f"))
	path, x, worker := s.launched(p, "f")
	update, finish := wire.ExecutionTemporaryResult{LatestOutput: "1"}, wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded}
	var info wire.ExecutionInfo
	before := time.Now().Unix()
	worker.get(path).is(http.StatusOK, &info)
	if info.Input != `[[1], {}]` || info.ExecutionID != x.ID || info.WorkerStatus != wire.WorkerPending || info.VersionID != v.ID ||
		info.ExecutionSpec.TimeoutSeconds != 3600 || info.InvocationCreationTime < before-1 || info.InvocationCreationTime >= time.Now().Unix() {
		t.Errorf("before its start %+v", info)
	}
	worker.do(http.MethodPut, path+"/update", update).fails(wire.ExecutionHasNotStarted)
	worker.do(http.MethodPut, path+"/finish", finish).fails(wire.ExecutionHasNotStarted)
	worker.put(path+"/start").is(http.StatusOK, &info)
	if info.WorkerStatus != wire.WorkerRunning || info.ExecutionStartTime == nil || info.InvocationCreationTime != *info.ExecutionStartTime {
		t.Errorf("after its start %+v", info)
	}
	worker.put(path + "/start").fails(wire.ExecutionHasAlreadyStarted)
	worker.do(http.MethodPut, path+"/update", update).is(http.StatusOK, &info)
	if info.Output == nil || *info.Output != "1" {
		t.Errorf("after a yield %+v", info)
	}
	// A generator's last yield is its result.
	worker.do(http.MethodPut, path+"/finish", finish).is(http.StatusOK, &info)
	if info.Outcome == nil || *info.Outcome != wire.OutcomeSucceeded || *info.Output != "1" || info.ExecutionFinishTime == nil {
		t.Errorf("after its end %+v", info)
	}
	worker.do(http.MethodPut, path+"/finish", finish).fails(wire.ExecutionHasAlreadyFinished)
	worker.do(http.MethodPut, path+"/update", update).fails(wire.ExecutionHasAlreadyFinished)
	if record := s.settle(x); record.Status != multinode.Succeeded {
		t.Errorf("settled as %s", record.Status)
	}
	// Its key ends with it. What others may still see, stays.
	worker.get(path).fails(wire.APIKeyIsInvalid)
	s.do(http.MethodPut, path+"/finish", finish).fails(wire.ExecutionHasAlreadyFinished)
	s.put(path + "/start").fails(wire.ExecutionIsAlreadyTerminated)
	s.get(path).is(http.StatusOK, &info)
}

func TestHowAnHTTPWorkerEnds(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	text, output := "ValueError: no", "[1]"
	for name, c := range map[string]struct {
		result wire.ExecutionFinalResult
		events []multinode.Event
		status multinode.Status
		output string
	}{
		"an output":                  {wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded, FinalOutput: &output}, nil, multinode.Succeeded, "[1]"},
		"an empty generator":         {wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded}, nil, multinode.Succeeded, "null"},
		"a failure":                  {wire.ExecutionFinalResult{Outcome: wire.OutcomeFailed, ErrorMessage: &text}, nil, multinode.Pending, ""},
		"a cancel":                   {wire.ExecutionFinalResult{Outcome: wire.OutcomeAborted}, []multinode.Event{multinode.CancelRequested{At: time.Now()}}, multinode.Cancelled, ""},
		"a time-out":                 {wire.ExecutionFinalResult{Outcome: wire.OutcomeAborted}, []multinode.Event{multinode.Interrupted{Why: multinode.TimeOut, At: time.Now()}}, multinode.TimedOut, ""},
		"an abort nobody asked for":  {wire.ExecutionFinalResult{Outcome: wire.OutcomeAborted}, nil, multinode.Pending, ""},
		"a success under a time-out": {wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded, FinalOutput: &output}, []multinode.Event{multinode.Interrupted{Why: multinode.TimeOut, At: time.Now()}}, multinode.Succeeded, "[1]"},
	} {
		path, x, worker := s.launched(p, "f")
		worker.put(path+"/start").is(http.StatusOK, nil)
		for _, e := range c.events {
			if i, ok := e.(multinode.Interrupted); ok {
				i.Execution = x.ID
				e = i
			}
			s.apply(x.Invocation, e)
		}
		var info wire.ExecutionInfo
		worker.do(http.MethodPut, path+"/finish", c.result).is(http.StatusOK, &info)
		if got := s.settle(x).Status; got != c.status {
			t.Errorf("%s: %s, want %s", name, got, c.status)
		}
		if c.output != "" && (info.Output == nil || *info.Output != c.output) {
			t.Errorf("%s: answered %+v", name, info)
		}
	}
}

func TestReportsOfAWorkerAreChecked(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, x, worker := s.launched(p, "f")
	worker.put(path+"/start").is(http.StatusOK, nil)
	check := func(location, kind, body string) {
		t.Helper()
		worker.do(http.MethodPut, path+"/finish", body).violates(location, kind)
	}
	check(`["body","outcome"]`, "value_error.missing", `{}`)
	check(`["body","outcome"]`, "type_error.enum", `{"outcome":"DONE"}`)
	check(`["body","error_message"]`, "value_error.missing", `{"outcome":"FAILED"}`)
	check(`["body","error_message"]`, "value_error", `{"outcome":"SUCCEEDED","error_message":"x"}`)
	check(`["body","error_message"]`, "value_error.any_str.max_length", `{"outcome":"FAILED","error_message":"`+strings.Repeat("ü", 16_385)+`"}`)
	check(`["body","final_output"]`, "value_error.any_str.max_length", `{"outcome":"SUCCEEDED","final_output":"`+strings.Repeat("ü", 250_001)+`"}`)
	worker.do(http.MethodPut, path+"/update", wire.ExecutionTemporaryResult{LatestOutput: strings.Repeat("x", 250_001)}).
		violates(`["body","latest_output"]`, "value_error.any_str.max_length")

	// Nobody but its worker, and an administrator, reports for an execution.
	_, _, sibling := s.launched(p, "f")
	s.must(s.store.PutKey(t.Context(), "deployer", "deployer", streams.RoleDeploy, ""))
	for _, other := range []*system{sibling, s.as("deployer")} {
		other.put(path+"/start").failsWith(http.StatusForbidden, "Only the worker")
		other.do(http.MethodPut, path+"/update", wire.ExecutionTemporaryResult{}).failsWith(http.StatusForbidden, "Only the worker")
		other.do(http.MethodPut, path+"/finish", wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded}).failsWith(http.StatusForbidden, "Only the worker")
	}

	// A verdict that came first stands.
	_, won, err := s.store.PutOutcome(t.Context(), x, multinode.Outcome{Kind: multinode.OutcomeLost, Error: "lost"})
	if s.must(err); !won {
		t.Fatal("the verdict was not the first")
	}
	worker.do(http.MethodPut, path+"/finish", wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded}).fails(wire.ExecutionHasAlreadyFinished)
	s.settle(x)
	s.do(http.MethodPut, path+"/update", wire.ExecutionTemporaryResult{}).fails(wire.ExecutionIsAlreadyTerminated)
}
