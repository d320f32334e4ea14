package hostile_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"multinode"
	"multinode/wire"
)

func containsText(data []byte, word string) bool { return bytes.Contains(data, []byte(word)) }

// ask sends a request with a worker's API key.
func (w *world) ask(as *worker, method, path string, body any) (int, string) {
	w.t.Helper()
	data, err := json.Marshal(body)
	w.must(err)
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.api+path, bytes.NewReader(data))
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+as.intent.Environment["MULTINODE_API_KEY"])
	response, err := http.DefaultClient.Do(r)
	w.must(err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	w.must(err)
	return response.StatusCode, string(text)
}

func invocations(project string) string {
	return "/projects/" + project + "/versions/latest/functions/f/invocations"
}

// paths of an execution and its invocation.
func (w *worker) paths() (invocation, execution string) {
	invocation = invocations(w.Invocation.Project) + "/" + w.Invocation.ID
	return invocation, invocation + "/executions/" + w.ID
}

func TestAWorkersKeyOpensNoOtherProject(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	inv, exe := w.victim.paths()
	result := wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded}
	for _, try := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/projects/theirs", nil}, {"GET", "/projects/theirs/versions", nil}, {"GET", "/projects/theirs/versions/latest", nil},
		{"GET", invocations("theirs"), nil}, {"GET", inv, nil}, {"GET", inv + "/events", nil}, {"GET", exe, nil}, {"GET", exe + "/logs", nil},
		{"GET", exe + "/logs?follow=true", nil}, {"GET", "/projects/theirs/deployments/x/events", nil},
		{"POST", invocations("theirs"), wire.InvocationDefinition{Input: "1"}}, {"PUT", inv + "/cancel", nil}, {"DELETE", "/projects/theirs", nil},
		{"PUT", exe + "/start", nil}, {"PUT", exe + "/update", wire.ExecutionTemporaryResult{LatestOutput: "1"}}, {"PUT", exe + "/finish", result},
		// What takes more than a worker's role, in its own project too.
		{"DELETE", "/projects/mine", nil}, {"PUT", "/projects/new", nil}, {"POST", "/projects/mine/deployments", wire.DeploymentDefinition{}},
		{"POST", "/projects/mine/versions", nil}, {"PUT", "/bundles/" + strings.Repeat("0", 64), nil}, {"HEAD", "/bundles/" + strings.Repeat("0", 64), nil},
		{"GET", "/container_repository_credentials", nil}, {"GET", "/api-keys", nil}, {"DELETE", "/api-keys/key-1", nil},
		{"POST", "/api-keys", wire.APIKeyDefinition{Name: "x", Role: wire.RoleAdmin}},
		// The same by other spellings of the path.
		{"GET", "/projects/mine/../theirs", nil}, {"GET", "/projects/mine%2F..%2Ftheirs", nil}, {"GET", "//projects/theirs", nil}, {"GET", "/projects/THEIRS", nil},
		{"GET", "/projects/%74heirs", nil},
	} {
		status, body := w.ask(w.mine, try.method, try.path, try.body)
		if status != http.StatusForbidden && status != http.StatusNotFound {
			t.Errorf("%s %s: %d %s", try.method, try.path, status, body)
		}
		if strings.Contains(body, secret) {
			t.Errorf("%s %s tells the secret: %s", try.method, try.path, body)
		}
	}
	if _, body := w.ask(w.mine, "GET", "/projects", nil); strings.Contains(body, "theirs") || !strings.Contains(body, `"mine"`) {
		t.Errorf("the list of projects is %s", body)
	}
	w.unharmed(before)
}

func TestAWorkersKeyReportsForNoOtherExecution(t *testing.T) {
	w := newWorld(t)
	sibling := w.launch(multinode.Project{Name: "mine", Generation: w.mine.Invocation.Generation}, "1")
	_, exe := sibling.paths()
	before := w.state()
	for path, body := range map[string]any{
		"/start": nil, "/update": wire.ExecutionTemporaryResult{LatestOutput: "evil"}, "/finish": wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded},
	} {
		if status, text := w.ask(w.mine, "PUT", exe+path, body); status != http.StatusForbidden || !strings.Contains(text, "Only the worker") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	w.unharmed(before)
}

// Forged keys, and those of executions that have ended, open nothing.
func TestAWorkersKeyCannotBeStretched(t *testing.T) {
	w := newWorld(t)
	inv, _ := w.mine.paths()
	key := w.mine.intent.Environment["MULTINODE_API_KEY"]
	body, signature := key[:strings.LastIndexByte(key, '.')], key[strings.LastIndexByte(key, '.'):]
	stretched := strings.Replace(body, "mine", "theirs", 1)
	other := w.victim.intent.Environment["MULTINODE_API_KEY"]
	for _, forged := range []string{
		stretched + signature, other[:strings.LastIndexByte(other, '.')] + signature, body, body + ".", key + "A", strings.ToUpper(key), "mnw_" + signature, "mnw_",
	} {
		as := *w.mine
		as.intent.Environment = map[string]string{"MULTINODE_API_KEY": forged}
		for _, path := range []string{"/projects", "/projects/theirs", inv} {
			if status, text := w.ask(&as, "GET", path, nil); status != http.StatusForbidden || !strings.Contains(text, "API key is invalid") {
				t.Errorf("%s with %s: %d %s", path, forged, status, text)
			}
		}
	}
	if status, text := w.ask(w.mine, "GET", inv, nil); status != http.StatusOK {
		t.Fatalf("its own invocation: %d %s", status, text)
	}
	_, err := w.mine.link.PutOutcome(t.Context(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
	w.must(err)
	w.until(w.mine.ExecutionKey, "SUCCEEDED", func(i multinode.Invocation) bool { return i.Status == multinode.Succeeded })
	for _, path := range []string{"/projects", inv} {
		if status, text := w.ask(w.mine, "GET", path, nil); status != http.StatusForbidden || !strings.Contains(text, "API key is invalid") {
			t.Errorf("after its execution's end, %s: %d %s", path, status, text)
		}
	}
}

// This is allowed: it is what subtasks need.
func TestAWorkerActsInItsOwnProject(t *testing.T) {
	w := newWorld(t)
	status, text := w.ask(w.mine, "POST", invocations("mine"), wire.InvocationDefinition{
		Input: "1", ParentInvocation: &wire.ParentInvocation{FunctionName: "f", InvocationID: w.mine.Invocation.ID},
	})
	var child wire.InvocationInfo
	if err := json.Unmarshal([]byte(text), &child); err != nil || status != http.StatusOK {
		t.Fatalf("a child: %d %s", status, text)
	}
	if status, text := w.ask(w.mine, "PUT", invocations("mine")+"/"+child.InvocationID+"/cancel", nil); status != http.StatusOK {
		t.Errorf("its cancel: %d %s", status, text)
	}
	// A parent in another project is none.
	status, text = w.ask(w.mine, "POST", invocations("mine"), wire.InvocationDefinition{
		Input: "1", ParentInvocation: &wire.ParentInvocation{FunctionName: "f", InvocationID: w.victim.Invocation.ID},
	})
	if status != http.StatusBadRequest || strings.Contains(text, secret) {
		t.Errorf("a parent in another project: %d %s", status, text)
	}
}
