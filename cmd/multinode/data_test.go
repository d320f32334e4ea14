package main

import (
	"net/http"
	"strings"
	"testing"

	"multinode/wire"
)

const noon = 1_700_000_000 // 2023-11-14 22:13:20 UTC

func ptr[T any](v T) *T { return &v }

func someFunction(name string) wire.FunctionInfo {
	return wire.FunctionInfo{
		FunctionName:   name,
		ResourceSpec:   wire.ResourceSpec{VirtualCPUs: 0.1, MemoryGBs: 0.25, MaxConcurrency: 10},
		ExecutionSpec:  wire.ExecutionSpec{MaxRetries: 1, TimeoutSeconds: 5400},
		FunctionStatus: wire.FunctionReady,
	}
}

func someVersion(functions ...string) wire.VersionInfo {
	v := wire.VersionInfo{ProjectName: "p", VersionID: "ver-1", CreationTime: noon, State: wire.VersionReady, Functions: []wire.FunctionInfo{}}
	for _, name := range functions {
		v.Functions = append(v.Functions, someFunction(name))
	}
	return v
}

func TestList(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects", wire.ProjectsList{Projects: []wire.ProjectInfo{
		{ProjectName: "my project", CreationTime: noon},
		{ProjectName: "broken", CreationTime: noon},
		{ProjectName: "old", CreationTime: noon - 86_400, DeletionRequestTime: ptr(int64(noon))},
	}})
	f.answers("GET /projects/my project/versions/latest", someVersion())
	f.answers("GET /projects/broken/versions/latest", wire.VersionDoesNotExist)
	s := newShell(t, f)
	s.expect(exitOK, `PROJECT     CREATED              STATE
my project  2023-11-14 22:13:20  ready
broken      2023-11-14 22:13:20  no version is ready
old         2023-11-13 22:13:20  being undeployed
`, "", "list")
	s.expect(exitOK, `{
  "projects": [
    {
      "project_name": "my project",
      "deletion_request_time": null,
      "creation_time": 1700000000,
      "state": "ready"
    },
    {
      "project_name": "broken",
      "deletion_request_time": null,
      "creation_time": 1700000000,
      "state": "no version is ready"
    },
    {
      "project_name": "old",
      "deletion_request_time": 1700000000,
      "creation_time": 1699913600,
      "state": "being undeployed"
    }
  ]
}
`, "", "list", "--json")
}

func TestDescribeProject(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects/p", wire.ProjectInfo{ProjectName: "p", CreationTime: noon})
	f.answers("GET /projects/p/versions", wire.VersionsListForProject{ProjectName: "p", Versions: []wire.VersionSummary{
		{VersionID: "ver-2", CreationTime: noon + 60, State: wire.VersionFailed}, {VersionID: "ver-1", CreationTime: noon, State: wire.VersionReady},
	}})
	f.answers("GET /projects/p/versions/latest", someVersion("add", "slow"))
	f.answers("GET /projects/p/versions/ver-1/functions/add/invocations", wire.InvocationsListForFunction{
		Invocations: make([]wire.InvocationSummary, 50), NextOffset: ptr("more"),
	})
	f.answers("GET /projects/p/versions/ver-1/functions/slow/invocations", wire.InvocationsListForFunction{})
	s := newShell(t, f)
	s.expect(exitOK, `Project p
  created  2023-11-14 22:13:20

Versions
  ver-2  2023-11-14 22:14:20  FAILED
  ver-1  2023-11-14 22:13:20  READY   latest
  `+"`multinode describe --project-name=p --version-id=ver-2` shows why the newest failed"+`

Version ver-1
  created  2023-11-14 22:13:20
  state    READY

Functions
  NAME  CPU  MEMORY   CONCURRENCY  RETRIES  TIMEOUT  INVOCATIONS
  add   0.1  256 MiB  10           1        1h 30m   50+
  slow  0.1  256 MiB  10           1        1h 30m   0
`, "", "describe", "--project-name=p")

	f.answers("GET /projects/p/versions/latest", wire.VersionDoesNotExist)
	code, out, _ := s.run("describe", "--project-name=p", "--json")
	if code != exitOK || !strings.Contains(out, `"latest": null`) {
		t.Errorf("no version is ready: %d\n%s", code, out)
	}
	failed := someVersion()
	failed.VersionID, failed.State, failed.Failure = "ver-2", wire.VersionFailed, ptr("Traceback\n  File \"main.py\"\x1b[2J\n")
	f.answers("GET /projects/p/versions/ver-2", failed)
	s.expect(exitOK, `Version ver-2
  created  2023-11-14 22:13:20
  state    FAILED

Failure
  Traceback
    File "main.py"[2J

Functions
  none
`, "", "describe", "--project-name=p", "--version-id=ver-2")

	f.answers("GET /projects/p/versions/ver-9", wire.VersionDoesNotExist)
	s.expect(exitFailure, "", "Error: version \"ver-9\" of project \"p\" does not exist. Run `multinode describe --project-name=p` to see those that do\n",
		"describe", "--project-name=p", "--version-id=ver-9")
	f.answers("GET /projects/q", wire.ProjectDoesNotExist)
	s.expect(exitFailure, "", "Error: project \"q\" does not exist. Run `multinode list` to see those that do\n", "describe", "--project-name=q")
}

func TestDescribeFunction(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects/p/versions/latest", someVersion("add"))
	list := wire.InvocationsListForFunction{Invocations: []wire.InvocationSummary{
		{InvocationID: "inv-2", Status: wire.StatusRunning, CreationTime: noon, LastUpdateTime: noon + 1,
			ParentInvocation: &wire.ParentInvocation{FunctionName: "main", InvocationID: "inv-0"}},
	}}
	for range 10 {
		list.Invocations = append(list.Invocations, wire.InvocationSummary{InvocationID: "inv-1", Status: wire.StatusSucceeded, CreationTime: noon, LastUpdateTime: noon})
	}
	f.answers("GET /projects/p/versions/latest/functions/add/invocations", list)
	s := newShell(t, f)
	s.expect(exitOK, `Function add  ver-1
  NAME  CPU  MEMORY   CONCURRENCY  RETRIES  TIMEOUT
  add   0.1  256 MiB  10           1        1h 30m

Newest invocations of this version (--version-id shows those of another)
  ID     STATUS     CREATED              UPDATED              STARTED BY
  inv-2  RUNNING    2023-11-14 22:13:20  2023-11-14 22:13:21  inv-0 (main)
`+strings.Repeat("  inv-1  SUCCEEDED  2023-11-14 22:13:20  2023-11-14 22:13:20\n", 9)+"  and 1 older\n",
		"", "describe", "--project-name=p", "--function-name=add")

	f.answers("GET /projects/p/versions/latest/functions/add/invocations", wire.InvocationsListForFunction{})
	if _, out, _ := s.run("describe", "--project-name=p", "--function-name=add"); !strings.HasSuffix(out, "of another)\n  none\n") {
		t.Errorf("no invocations:\n%s", out)
	}
	s.expect(exitFailure, "", "Error: function \"sub\" does not exist in this version of project \"p\". Run `multinode describe --project-name=p` to see those that do\n",
		"describe", "--project-name=p", "--function-name=sub")
}

const invocation = "/projects/p/versions/latest/functions/add/invocations/inv-1"

func someInvocation(status wire.Status) wire.InvocationInfo {
	return wire.InvocationInfo{
		ProjectName: "p", VersionID: "ver-1", FunctionName: "add", InvocationID: "inv-1", Input: "[[1, 2], {}]",
		CreationTime: noon, LastUpdateTime: noon + 2, Status: status, Executions: []wire.ExecutionSummary{},
	}
}

var ofInv = []string{"--project-name=p", "--function-name=add", "--invocation-id=inv-1"}

func TestDescribeInvocation(t *testing.T) {
	f := newFake(t)
	info := someInvocation(wire.StatusFailed)
	info.ParentInvocation = &wire.ParentInvocationInfo{FunctionName: "main", InvocationID: "inv-0"}
	info.ErrorMessage, info.NumFailedAttempts = ptr("ValueError: no good"), 2
	info.Executions = []wire.ExecutionSummary{
		{ExecutionID: "exe-2", WorkerStatus: wire.WorkerTerminated, CreationTime: noon + 1, ExecutionStartTime: ptr(int64(noon + 1)),
			ExecutionFinishTime: ptr(int64(noon + 2)), Outcome: ptr(wire.OutcomeFailed), ErrorMessage: info.ErrorMessage},
		{ExecutionID: "exe-1", WorkerStatus: wire.WorkerTerminated, CreationTime: noon, Outcome: ptr(wire.OutcomeFailed), Output: ptr("0.5")},
	}
	f.answers("GET "+invocation, info)
	s := newShell(t, f)
	s.expect(exitOK, `Invocation inv-1
  function    add
  version     ver-1
  status      FAILED, 2 failed attempts
  created     2023-11-14 22:13:20
  updated     2023-11-14 22:13:22
  started by  inv-0 (main)
  input       [[1, 2], {}]
  error       ValueError: no good

Execution 1
  id       exe-1
  created  2023-11-14 22:13:20
  worker   terminated
  outcome  FAILED
  output   0.5

Execution 2
  id        exe-2
  created   2023-11-14 22:13:21
  started   2023-11-14 22:13:21
  finished  2023-11-14 22:13:22
  worker    terminated
  outcome   FAILED
  error     ValueError: no good
`, "", append([]string{"describe"}, ofInv...)...)

	info = someInvocation(wire.StatusPending)
	info.WaitingReason, info.NumFailedAttempts, info.CancellationRequestTime, info.Output = ptr("behind 3 others"), 1, ptr(int64(noon)), ptr("1")
	info.ExecutionSpec.MaxRetries = 2
	info.Executions = []wire.ExecutionSummary{{ExecutionID: "exe-1", Outcome: ptr(wire.OutcomeFailed), ErrorMessage: ptr("ValueError: no good")}}
	f.answers("GET "+invocation, info)
	_, out, _ := s.run(append([]string{"describe"}, ofInv...)...)
	for _, want := range []string{"PENDING, 1 of 3 tries has failed (ValueError: no good): behind 3 others\n", "  cancelled  2023", "  output     1\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	f.answers("GET "+invocation, wire.InvocationDoesNotExist)
	s.expect(exitFailure, "", "Error: invocation \"inv-1\" of function \"add\" does not exist. Run `multinode describe --project-name=p --function-name=add` to see the newest\n",
		append([]string{"describe"}, ofInv...)...)
}

func TestLogs(t *testing.T) {
	f := newFake(t)
	info := someInvocation(wire.StatusSucceeded)
	info.Executions = []wire.ExecutionSummary{{ExecutionID: "exe-2"}, {ExecutionID: "exe-1"}}
	f.answers("GET "+invocation, info)
	f.answers("GET "+invocation+"/executions/exe-1/logs", wire.ExecutionLogs{LogLines: []string{"first <line>"}})
	f.on("GET "+invocation+"/executions/exe-2/logs", func(w http.ResponseWriter, r *http.Request) {
		page := wire.ExecutionLogs{LogLines: []string{"second"}, NextOffset: ptr("o")}
		if r.URL.Query().Get("initial_offset") == "o" {
			page = wire.ExecutionLogs{LogLines: []string{"\tthird"}}
		}
		reply(w, 200, page)
	})
	s := newShell(t, f)
	logs := append([]string{"logs"}, ofInv...)
	s.expect(exitOK, "first <line>\nsecond\n\tthird\n", "— execution exe-1\n— execution exe-2\n", logs...)
	s.expect(exitOK, `{"execution_id":"exe-1","text":"first <line>"}`+"\n", "", append(logs, "--execution-id=exe-1", "--json")...)

	info.Executions = nil
	f.answers("GET "+invocation, info)
	s.expect(exitOK, "", "It has not started yet. Add -f to wait for its lines.\n", logs...)
	f.answers("GET "+invocation+"/executions/exe-9/logs", wire.ExecutionDoesNotExist)
	s.expect(exitFailure, "", "Error: execution \"exe-9\" of invocation inv-1 does not exist. Run `multinode describe --project-name=p --function-name=add --invocation-id=inv-1` to see those that do\n",
		append(logs, "--execution-id=exe-9")...)
}

func TestLogsFollow(t *testing.T) {
	f := newFake(t)
	batch := wire.LogEvent{ExecutionID: "exe-1", Lines: []wire.LogLine{{Stream: "stdout", Text: "one"}, {Stream: "stderr", Text: "two"}}}
	f.events("GET "+invocation+"/events", wire.EventStatus, someInvocation(wire.StatusRunning), wire.EventLog, batch,
		wire.EventEnd, someInvocation(wire.StatusFailed))
	f.events("GET "+invocation+"/executions/exe-1/logs", wire.EventLog, batch, wire.EventEnd, wire.ExecutionInfo{})
	s := newShell(t, f)
	logs := append([]string{"logs", "-f"}, ofInv...)
	s.expect(exitOK, "one\ntwo\n", "— execution exe-1\n", logs...)
	s.expect(exitOK, "one\ntwo\n", "", append(logs, "--execution-id=exe-1")...)
	s.expect(exitOK, `{"execution_id":"exe-1","time":"0001-01-01T00:00:00Z","stream":"stdout","text":"one"}
{"execution_id":"exe-1","time":"0001-01-01T00:00:00Z","stream":"stderr","text":"two"}
`, "", append(logs, "--json")...)
}

func TestCancel(t *testing.T) {
	f := newFake(t)
	f.answers("PUT "+invocation+"/cancel", someInvocation(wire.StatusCancelling))
	s := newShell(t, f)
	cancel := append([]string{"cancel"}, ofInv...)
	s.expect(exitOK, "inv-1 CANCELLING\n", "To see it end: multinode logs --project-name=p --function-name=add --invocation-id=inv-1 -f\n", cancel...)
	f.answers("PUT "+invocation+"/cancel", someInvocation(wire.StatusCancelled))
	s.expect(exitOK, "inv-1 CANCELLED\n", "", cancel...)
	if code, out, _ := s.run(append(cancel, "--json")...); code != exitOK || !strings.Contains(out, `"status": "CANCELLED"`) {
		t.Errorf("--json: %d\n%s", code, out)
	}
	f.answers("PUT "+invocation+"/cancel", wire.InvocationIsAlreadyTerminated)
	s.expect(exitFailure, "", "Error: invocation inv-1 has already finished. Run `multinode describe --project-name=p --function-name=add --invocation-id=inv-1` to see how\n", cancel...)
}

func TestUndeploy(t *testing.T) {
	f := newFake(t)
	going := wire.ProjectInfo{ProjectName: "p", CreationTime: noon, DeletionRequestTime: ptr(int64(noon))}
	f.answers("DELETE /projects/p", going)
	looks := 0
	f.on("GET /projects/p", func(w http.ResponseWriter, _ *http.Request) {
		if looks++; looks < 3 {
			reply(w, 200, going)
			return
		}
		reply(w, 404, wire.ErrorBody{Detail: wire.ProjectDoesNotExist.Detail})
	})
	s := newShell(t, f)
	s.expect(exitOK, "", "Undeploying p\n✓ Project \"p\" is gone.\n", "undeploy", "--project-name=p")
	f.answers("GET /projects/p", wire.ProjectInfo{ProjectName: "p", CreationTime: noon + 9})
	s.expect(exitOK, "", "Undeploying p\n✓ Project \"p\" is gone.\n", "undeploy", "--project-name=p")
	s.expect(exitOK, "", "Project \"p\" is being undeployed. `multinode list` shows when it is gone.\n", "undeploy", "--project-name=p", "--no-wait")
	f.answers("DELETE /projects/p", wire.ProjectDoesNotExist)
	s.expect(exitFailure, "", "Error: project \"p\" does not exist. Run `multinode list` to see those that do\n", "undeploy", "--project-name=p")
}

func TestUndeployInterrupted(t *testing.T) {
	f := newFake(t)
	f.answers("DELETE /projects/p", wire.ProjectInfo{ProjectName: "p", DeletionRequestTime: ptr(int64(noon))})
	s := newShell(t, f)
	f.on("GET /projects/p", func(w http.ResponseWriter, r *http.Request) {
		s.interrupts <- nil
		<-r.Context().Done()
	})
	s.expect(exitInterrupted, "", "Undeploying p\nError: interrupted: the server goes on undeploying \"p\". Run `multinode list` to see\n", "undeploy", "--project-name=p")
}
