package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/wire"
)

func TestAnInvocationFromStartToEnd(t *testing.T) {
	s := start(t)
	p, v := s.deploy("p", spec("f"))
	const input = `[["<ü>"], {}]`
	var info wire.InvocationInfo
	path := functionPath("p", v.ID, "f") + "/invocations"
	s.do(http.MethodPost, path, wire.InvocationDefinition{Input: input}).is(http.StatusOK, &info)
	if info.Status != wire.StatusPending || info.InvocationStatus != wire.InvocationRunning || info.Input != input ||
		info.VersionID != v.ID || info.Revision != 0 || len(info.Executions) != 0 || info.FunctionStatus != wire.FunctionReady ||
		info.ResourceSpec != (wire.ResourceSpec{VirtualCPUs: 0.5, MemoryGBs: 0.25, MaxConcurrency: 2}) ||
		info.ExecutionSpec != (wire.ExecutionSpec{MaxRetries: 1, TimeoutSeconds: 3600}) {
		t.Fatalf("started as %+v", info)
	}
	path += "/" + info.InvocationID
	k := multinode.InvocationKey{Project: "p", Generation: p.Generation, Function: "f", ID: info.InvocationID}

	look := func() wire.InvocationInfo {
		t.Helper()
		var info wire.InvocationInfo
		s.get(path).is(http.StatusOK, &info)
		return info
	}
	if info = look(); info.Status != wire.StatusPending || info.Revision == 0 || info.Input != input {
		t.Fatalf("waiting as %+v", info)
	}
	first := s.run(k)
	if info = look(); info.Status != wire.StatusRunning || info.WaitingReason != nil || len(info.Executions) != 1 ||
		info.Executions[0].WorkerStatus != wire.WorkerRunning || info.Executions[0].WorkerDetails.Kind != "process" {
		t.Fatalf("running as %+v", info)
	}
	s.must(s.store.PutYield(t.Context(), first, []byte(`"half"`)))
	if info = look(); info.Output == nil || *info.Output != `"half"` || *info.Executions[0].Output != `"half"` {
		t.Fatalf("with a yield %+v", info)
	}
	s.end(first, multinode.Outcome{Kind: multinode.OutcomeFailed, Error: "ValueError: no good"})
	if info = look(); info.Status != wire.StatusPending || info.NumFailedAttempts != 1 || *info.ErrorMessage != "ValueError: no good" ||
		*info.Executions[0].Outcome != wire.OutcomeFailed {
		t.Fatalf("after a failure %+v", info)
	}
	second := s.run(k)
	s.end(second, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte(`{"a": 1}`)})
	if info = look(); info.Status != wire.StatusSucceeded || info.InvocationStatus != wire.InvocationTerminated || *info.Output != `{"a": 1}` ||
		info.ErrorMessage != nil || len(info.Executions) != 2 || info.Executions[0].ExecutionID != second.ID {
		t.Fatalf("at its end %+v", info)
	}
	s.put(path + "/cancel").fails(wire.InvocationIsAlreadyTerminated)
}

func TestWhatDoesNotExist(t *testing.T) {
	s := start(t)
	p, old := s.deploy("p", spec("f"), spec("gone"))
	onOld, _ := s.invoke(p, "gone", "1")
	id := onOld[strings.LastIndexByte(onOld, '/')+1:]
	_, v := s.deploy("p", spec("f"))
	def := wire.InvocationDefinition{Input: "1"}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		s.do(method, functionPath("q", "latest", "f")+"/invocations", def).fails(wire.ProjectDoesNotExist)
		s.do(method, functionPath("p", multinode.NewID("ver"), "f")+"/invocations", def).fails(wire.VersionDoesNotExist)
		s.do(method, functionPath("p", "latest", "g")+"/invocations", def).fails(wire.FunctionDoesNotExist)
		s.do(method, functionPath("p", "latest", "gone")+"/invocations", def).fails(wire.FunctionDoesNotExist)
	}
	unknown := "/invocations/" + multinode.NewID("inv")
	s.get(functionPath("p", "latest", "f") + unknown).fails(wire.InvocationDoesNotExist)
	s.get(functionPath("p", "latest", "f") + "/invocations/" + strings.Repeat("x", 300)).fails(wire.InvocationDoesNotExist)
	s.get(functionPath("p", "latest", "g") + unknown).fails(wire.FunctionDoesNotExist)
	s.put(functionPath("p", "latest", "f") + unknown + "/cancel").fails(wire.InvocationDoesNotExist)
	s.get(functionPath("p", "latest", "f") + unknown + "/events").fails(wire.InvocationDoesNotExist)
	s.get(functionPath("p", "latest", "f") + unknown + "/executions/exe-1/logs?follow=true").fails(wire.InvocationDoesNotExist)

	// An ID stays good under "latest" after an upgrade; an explicit version has to match.
	s.get(onOld).is(http.StatusOK, nil)
	s.get(functionPath("p", old.ID, "gone")+"/invocations/"+id).is(http.StatusOK, nil)
	onF, _ := s.invoke(p, "f", "1")
	s.get(functionPath("p", old.ID, "f") + "/invocations/" + onF[strings.LastIndexByte(onF, '/')+1:]).fails(wire.InvocationDoesNotExist)
	s.get(functionPath("p", v.ID, "f") + "/invocations/" + id).fails(wire.InvocationDoesNotExist)
	s.get(onF + "/executions/" + multinode.NewID("exe")).fails(wire.ExecutionDoesNotExist)
}

func TestStartsAreChecked(t *testing.T) {
	s := start(t)
	s.deploy("p", spec("f"))
	path := functionPath("p", "latest", "f") + "/invocations"
	s.do(http.MethodPost, path, `{}`).violates(`["body","input"]`, "value_error.missing")
	s.do(http.MethodPost, path, `{"input": 1}`).violates(`["body","input"]`, "type_error.str")
	s.do(http.MethodPost, path, `{"input": null}`).violates(`["body","input"]`, "type_error.none.not_allowed")
	s.do(http.MethodPost, path, `{"input": "1", "parent_invocation": {"function_name": "f"}}`).
		violates(`["body","parent_invocation","invocation_id"]`, "value_error.missing")
	s.do(http.MethodPost, path, wire.InvocationDefinition{Input: strings.Repeat("ü", multinode.MaxInput+1)}).
		violates(`["body","input"]`, "value_error.any_str.max_length")
	s.do(http.MethodPost, path, `{"input": "`+strings.Repeat("x", 5<<20)+`"}`).failsWith(http.StatusRequestEntityTooLarge, "exceeds")
	// Code points count, not bytes, however they are written.
	var info wire.InvocationInfo
	long := strings.Repeat("\U0001f600", multinode.MaxInput)
	s.do(http.MethodPost, path, `{"input": "`+strings.Repeat(`\ud83d\ude00`, multinode.MaxInput)+`"}`).is(http.StatusOK, &info)
	if s.get(path+"/"+info.InvocationID).is(http.StatusOK, &info); info.Input != long {
		t.Error("the longest input did not come back")
	}
	s.do(http.MethodPost, path, `{"input": ""}`).is(http.StatusOK, &info)
}

func TestParents(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"), spec("g"))
	parentPath, parentKey := s.invoke(p, "f", "1")
	path := functionPath("p", "latest", "g") + "/invocations"
	child := func(function, id string) answer {
		t.Helper()
		return s.do(http.MethodPost, path, wire.InvocationDefinition{
			Input: "2", ParentInvocation: &wire.ParentInvocation{FunctionName: function, InvocationID: id},
		})
	}
	child("g", parentKey.ID).fails(wire.ParentInvocationDoesNotExist)
	child("", parentKey.ID).fails(wire.ParentInvocationDoesNotExist)
	child("f", "").fails(wire.ParentInvocationDoesNotExist)
	var info wire.InvocationInfo
	child("f", parentKey.ID).is(http.StatusOK, &info)
	if info.ParentInvocation == nil || info.ParentInvocation.InvocationID != parentKey.ID || info.ParentInvocation.InvocationStatus != wire.InvocationRunning {
		t.Errorf("parent %+v", info.ParentInvocation)
	}
	s.put(parentPath+"/cancel").is(http.StatusOK, nil)
	s.get(path+"/"+info.InvocationID).is(http.StatusOK, &info)
	if info.ParentInvocation.InvocationStatus != wire.InvocationTerminated || info.ParentInvocation.CancellationRequestTime == nil {
		t.Errorf("cancelled parent %+v", info.ParentInvocation)
	}
	// A parent that has ended may have children all the same.
	child("f", parentKey.ID).is(http.StatusOK, nil)
	for depth := 1; depth < multinode.MaxDepth; depth++ {
		child("g", info.InvocationID).is(http.StatusOK, &info)
	}
	child("g", info.InvocationID).failsWith(http.StatusBadRequest, "at most 64 ancestors")
}

func TestIdempotencyKeys(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"), spec("g"))
	begin := func(function, key, input string) answer {
		t.Helper()
		return s.do(http.MethodPost, functionPath("p", "latest", function)+"/invocations",
			wire.InvocationDefinition{Input: input}, wire.IdempotencyKeyHeader, key)
	}
	var first, second, other wire.InvocationInfo
	begin("f", "key", "1").is(http.StatusOK, &first)
	if !multinode.ValidID(multinode.InvocationPrefix, first.InvocationID) {
		t.Errorf("ID %q", first.InvocationID)
	}
	s.run(multinode.InvocationKey{Project: "p", Generation: p.Generation, Function: "f", ID: first.InvocationID})
	s.deploy("p", spec("f"), spec("g"))
	begin("f", "key", "1").is(http.StatusOK, &second)
	if second.InvocationID != first.InvocationID || second.Status != wire.StatusRunning || second.VersionID != first.VersionID {
		t.Errorf("repeated: %+v", second)
	}
	begin("f", "key", "2").failsWith(http.StatusUnprocessableEntity, "another input")
	for _, each := range [][2]string{{"g", "key"}, {"f", "yek"}} {
		begin(each[0], each[1], "1").is(http.StatusOK, &other)
		if other.InvocationID == first.InvocationID {
			t.Errorf("%v gave the same invocation", each)
		}
	}
	begin("f", strings.Repeat("k", 256), "1").violates(`["header","Idempotency-Key"]`, "value_error")
}

func TestLists(t *testing.T) {
	s := start(t)
	p, old := s.deploy("p", spec("f"))
	base := functionPath("p", "latest", "f") + "/invocations"
	var started []string
	for range 7 {
		path, _ := s.invoke(p, "f", "1")
		started = append([]string{path[len(base)+1:]}, started...)
		// What was started before is in the list at once.
		var list wire.InvocationsListForFunction
		if s.get(base).is(http.StatusOK, &list); len(list.Invocations) != len(started) || list.Invocations[0].InvocationID != started[0] {
			t.Fatalf("after %d starts: %+v", len(started), list)
		}
	}
	var seen []string
	for offset := ""; ; {
		var page wire.InvocationsListForFunction
		s.get(base+"?max_results=3&initial_offset="+offset).is(http.StatusOK, &page)
		for _, i := range page.Invocations {
			seen = append(seen, i.InvocationID)
		}
		if page.NextOffset == nil {
			break
		}
		offset = *page.NextOffset
	}
	if strings.Join(seen, " ") != strings.Join(started, " ") {
		t.Errorf("pages show %v, want %v", seen, started)
	}

	s.put(base+"/"+started[2]+"/cancel").is(http.StatusOK, nil)
	var list wire.InvocationsListForFunction
	s.get(base+"?status=TERMINATED").is(http.StatusOK, &list)
	if len(list.Invocations) != 1 || list.Invocations[0].InvocationID != started[2] || list.Invocations[0].Status != wire.StatusCancelled ||
		list.Invocations[0].CancellationRequestTime == nil || list.Invocations[0].InvocationStatus != wire.InvocationTerminated {
		t.Errorf("terminated: %+v", list)
	}
	if s.get(base+"?status=RUNNING").is(http.StatusOK, &list); len(list.Invocations) != 6 {
		t.Errorf("running: %d", len(list.Invocations))
	}
	var child wire.InvocationInfo
	s.do(http.MethodPost, base, wire.InvocationDefinition{
		Input: "1", ParentInvocation: &wire.ParentInvocation{FunctionName: "f", InvocationID: started[0]},
	}).is(http.StatusOK, &child)
	s.get(base+"?parent_function_name=f&parent_invocation_id="+started[0]).is(http.StatusOK, &list)
	if len(list.Invocations) != 1 || list.Invocations[0].InvocationID != child.InvocationID || list.Invocations[0].ParentInvocation.InvocationID != started[0] {
		t.Errorf("children: %+v", list)
	}

	s.get(base + "?initial_offset=nonsense").fails(wire.OffsetIsInvalid)
	s.get(base + "?parent_function_name=f").fails(wire.ParentInvocationIDIsMissing)
	s.get(base + "?parent_invocation_id=f").fails(wire.ParentFunctionNameIsMissing)
	s.get(base+"?status=DONE").violates(`["query","status"]`, "type_error.enum")
	s.get(base+"?max_results=0").violates(`["query","max_results"]`, "value_error.number.not_ge")
	s.get(base+"?max_results=x").violates(`["query","max_results"]`, "type_error.integer")
	s.get(base+"?max_results=1000").is(http.StatusOK, nil)

	s.deploy("p", spec("f"))
	if s.get(base).is(http.StatusOK, &list); len(list.Invocations) != 0 {
		t.Errorf("the new version has %d invocations", len(list.Invocations))
	}
	if s.get(functionPath("p", old.ID, "f")+"/invocations").is(http.StatusOK, &list); len(list.Invocations) != 8 {
		t.Errorf("the old version has %d invocations", len(list.Invocations))
	}
}

func TestCancelling(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	waiting, _ := s.invoke(p, "f", "1")
	var info wire.InvocationInfo
	s.put(waiting+"/cancel").is(http.StatusOK, &info)
	if info.Status != wire.StatusCancelled || info.CancellationRequestTime == nil {
		t.Errorf("a waiting one became %+v", info)
	}
	s.put(waiting + "/cancel").fails(wire.InvocationIsAlreadyTerminated)
	running, k := s.invoke(p, "f", "1")
	s.run(k)
	for range 2 {
		s.put(running+"/cancel").is(http.StatusOK, &info)
		if info.Status != wire.StatusCancelling || info.InvocationStatus != wire.InvocationRunning {
			t.Errorf("a running one became %+v", info)
		}
	}
}

func TestStartsOfWhatDoesNotServe(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	failed := multinode.Version{
		ID: multinode.NewID("ver"), Project: "p", Generation: p.Generation, CreatedAt: time.Now(),
		State: multinode.VersionFailed, Failure: "no such package", Functions: []multinode.FunctionSpec{spec("f")},
	}
	s.must(s.store.CreateVersion(t.Context(), failed, nil))
	var preparing wire.VersionInfo
	s.do(http.MethodPost, "/projects/p/versions", versionDefinition("new")).is(http.StatusOK, &preparing)
	def := wire.InvocationDefinition{Input: "1"}
	s.do(http.MethodPost, functionPath("p", failed.ID, "f")+"/invocations", def).failsWith(http.StatusConflict, "no such package")
	a := s.do(http.MethodPost, functionPath("p", preparing.VersionID, "new")+"/invocations", def)
	a.failsWith(http.StatusServiceUnavailable, "still being prepared")
	if a.header.Get("Retry-After") == "" {
		t.Error("there is no Retry-After")
	}
	s.do(http.MethodDelete, "/projects/p", nil).is(http.StatusOK, nil)
	s.do(http.MethodPost, functionPath("p", "latest", "f")+"/invocations", def).fails(wire.ProjectIsBeingDeleted)
}

// A success is never shown without its output, however often one looks while it
// comes about.
func TestASuccessIsNeverShownWithoutItsOutput(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, k := s.invoke(p, "f", "1")
	x := s.run(k)
	outcome := multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("7")}
	ended := make(chan error, 1)
	ctx := t.Context()
	go func() {
		_, _, err := s.store.PutOutcome(ctx, x, outcome)
		if err == nil {
			_, _, err = s.store.Apply(ctx, k, multinode.ExecutionEnded{Execution: x.ID, Outcome: outcome.Kind, At: time.Now().UTC()})
		}
		ended <- err
	}()
	for info := (wire.InvocationInfo{}); info.Status != wire.StatusSucceeded; {
		a := s.get(path).is(http.StatusOK, &info)
		if info.Status == wire.StatusSucceeded && (info.Output == nil || *info.Output != "7" || *info.Executions[0].Output != "7") {
			t.Errorf("%s", a.body)
		}
	}
	s.must(<-ended)
}
