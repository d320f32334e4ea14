package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"multinode/streams"
	"multinode/wire"
)

func TestKeys(t *testing.T) {
	s := start(t)
	s.as("").get("/projects").fails(wire.NotAuthenticated)
	s.as("wrong").get("/projects").fails(wire.APIKeyIsInvalid)
	for header, want := range map[string]*wire.Error{
		"Basic " + adminKey: wire.NotAuthenticated, "Bearer": wire.NotAuthenticated, "Bearer  ": wire.NotAuthenticated,
		adminKey: wire.NotAuthenticated, "Bearer mnw_x.y": wire.APIKeyIsInvalid,
	} {
		r := s.request(http.MethodGet, "/projects", nil)
		r.Header.Set("Authorization", header)
		s.send(r).fails(want)
	}
	r := s.request(http.MethodGet, "/projects", nil)
	r.Header.Set("Authorization", "bearer "+adminKey)
	s.send(r).is(http.StatusOK, nil)
	// Who has no key learns nothing of what exists, not even of what is wrong.
	for _, path := range []string{"/projects/p", "/projects/p/versions/latest/functions/f/invocations", "/container_repository_credentials"} {
		s.as("").get(path).fails(wire.NotAuthenticated)
	}
	s.as("").do(http.MethodPost, "/projects/p/versions", "{").fails(wire.NotAuthenticated)
	s.as("").put("/bundles/x").fails(wire.NotAuthenticated)
	if strings.Contains(s.logs.String(), adminKey) {
		t.Error("a key is in the log")
	}
}

func TestRoles(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, _ := s.invoke(p, "f", "1")
	key := func(name string, role streams.Role, project string) *system {
		s.must(s.store.PutKey(t.Context(), name, name, role, project))
		return s.as(name)
	}
	reader, invoker, deployer := key("reader", streams.RoleRead, ""), key("invoker", streams.RoleInvoke, ""), key("deployer", streams.RoleDeploy, "")
	starts := functionPath("p", "latest", "f") + "/invocations"
	def := wire.InvocationDefinition{Input: "1"}

	reader.get(path).is(http.StatusOK, nil)
	reader.do(http.MethodPost, starts, def).failsWith(http.StatusForbidden, `the role "read"; this takes the role "invoke"`)
	reader.put(path+"/cancel").failsWith(http.StatusForbidden, "takes the role")
	invoker.do(http.MethodPost, starts, def).is(http.StatusOK, nil)
	invoker.put("/projects/q").failsWith(http.StatusForbidden, `takes the role "deploy"`)
	invoker.do(http.MethodDelete, "/projects/p", nil).failsWith(http.StatusForbidden, `takes the role "deploy"`)
	deployer.put("/projects/q").is(http.StatusOK, nil)

	limited := key("limited", streams.RoleAdmin, "q")
	var list wire.ProjectsList
	if limited.get("/projects").is(http.StatusOK, &list); len(list.Projects) != 1 || list.Projects[0].ProjectName != "q" {
		t.Errorf("a key of one project lists %+v", list)
	}
	limited.get("/projects/q").is(http.StatusOK, nil)
	limited.get(path).failsWith(http.StatusForbidden, "limited to another project")
	limited.get("/projects/none").failsWith(http.StatusForbidden, "limited to another project")
	limited.put("/projects/r").failsWith(http.StatusForbidden, "limited to another project")
}

func TestAWorkersKeyActsInItsProjectOnly(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	s.deploy("q", spec("f"))
	_, x, worker := s.launched(p, "f")
	var info wire.InvocationInfo
	worker.do(http.MethodPost, functionPath("p", "latest", "f")+"/invocations", wire.InvocationDefinition{
		Input: "1", ParentInvocation: &wire.ParentInvocation{FunctionName: "f", InvocationID: x.Invocation.ID},
	}).is(http.StatusOK, &info)
	worker.get(functionPath("p", "latest", "f")+"/invocations/"+info.InvocationID).is(http.StatusOK, nil)
	worker.do(http.MethodPost, functionPath("q", "latest", "f")+"/invocations", wire.InvocationDefinition{Input: "1"}).
		failsWith(http.StatusForbidden, "limited to another project")
	worker.do(http.MethodDelete, "/projects/p", nil).failsWith(http.StatusForbidden, "takes the role")
	forged := s.store.WorkerKey(x)
	s.as(forged[:len(forged)-1] + "A").get("/projects/p").fails(wire.APIKeyIsInvalid)
}
