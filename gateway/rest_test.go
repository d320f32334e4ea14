package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"multinode"
	"multinode/wire"
)

func TestHealthAndUnknownPaths(t *testing.T) {
	s := start(t).as("")
	var health wire.HealthStatus
	if s.get("/").is(http.StatusOK, &health); health.Status != "healthy" {
		t.Errorf("status %q", health.Status)
	}
	s.get("/nowhere").failsWith(http.StatusNotFound, "Not Found")
	s.do(http.MethodPost, "/projects/p", nil).failsWith(http.StatusMethodNotAllowed, "Method Not Allowed")
	s.do("BREW", "/projects", nil).is(http.StatusNotImplemented, nil)
}

func TestProjects(t *testing.T) {
	s := start(t)
	var list wire.ProjectsList
	if s.get("/projects").is(http.StatusOK, &list); list.Projects == nil || len(list.Projects) != 0 {
		t.Errorf("projects %v, want an empty list", list.Projects)
	}
	var made, again wire.ProjectInfo
	s.put("/projects/one").is(http.StatusOK, &made)
	if made.ProjectName != "one" || made.DeletionRequestTime != nil || made.CreationTime == 0 {
		t.Errorf("made %+v", made)
	}
	s.put("/projects/one").fails(wire.ProjectAlreadyExists)
	if s.get("/projects/one").is(http.StatusOK, &again); again != made {
		t.Errorf("got %+v, want %+v", again, made)
	}
	s.get("/projects/two").fails(wire.ProjectDoesNotExist)
	s.put("/projects/two").is(http.StatusOK, nil)
	if s.get("/projects").is(http.StatusOK, &list); len(list.Projects) != 2 || list.Projects[0].ProjectName != "two" {
		t.Errorf("projects %+v, want the newest first", list.Projects)
	}
	if s.do(http.MethodDelete, "/projects/one", nil).is(http.StatusOK, &made); made.DeletionRequestTime == nil {
		t.Error("deletion_request_time is not set")
	}
	s.do(http.MethodDelete, "/projects/three", nil).fails(wire.ProjectDoesNotExist)
	s.do(http.MethodPost, "/projects/one/versions", versionDefinition("f")).fails(wire.ProjectIsBeingDeleted)
}

func TestProjectNames(t *testing.T) {
	s := start(t)
	for name, path := range map[string]string{
		"a/b":                            "a%2Fb",
		"naïve ✓":                        "na%C3%AFve%20%E2%9C%93",
		"%41":                            "%2541",
		strings.Repeat("ü", 64):          strings.Repeat("%C3%BC", 64),
		strings.Repeat("\U0001f600", 64): strings.Repeat("%F0%9F%98%80", 64),
	} {
		var p wire.ProjectInfo
		s.put("/projects/"+path).is(http.StatusOK, &p)
		if s.get("/projects/"+path).is(http.StatusOK, &p); p.ProjectName != name {
			t.Errorf("name %q, want %q", p.ProjectName, name)
		}
	}
	s.put("/projects/" + strings.Repeat("x", 65)).fails(wire.ProjectNameIsTooLong)
	s.put("/projects/a%00b").violates(`["path","project_name"]`, "value_error")
	s.put("/projects/a%FFb").violates(`["path","project_name"]`, "value_error")
	s.get("/projects/a%0Ab").fails(wire.ProjectDoesNotExist)
	s.get("/projects/"+strings.Repeat("x", 40_000)).failsWith(http.StatusRequestHeaderFieldsTooLarge, "too long")
}

func versionDefinition(names ...string) wire.VersionDefinition {
	d := wire.VersionDefinition{DefaultDockerImage: "image:1", Functions: []wire.FunctionSpec{}}
	for _, n := range names {
		d.Functions = append(d.Functions, wire.FunctionSpec{
			FunctionName:  n,
			ResourceSpec:  wire.ResourceSpec{VirtualCPUs: 1, MemoryGBs: 2, MaxConcurrency: 3},
			ExecutionSpec: wire.ExecutionSpec{MaxRetries: 4, TimeoutSeconds: 5},
		})
	}
	return d
}

func TestVersions(t *testing.T) {
	s := start(t)
	s.get("/projects/p/versions").fails(wire.ProjectDoesNotExist)
	s.do(http.MethodPost, "/projects/p/versions", versionDefinition()).fails(wire.ProjectDoesNotExist)
	s.put("/projects/p")
	s.get("/projects/p/versions/latest").fails(wire.VersionDoesNotExist)
	d := versionDefinition("f", "g")
	override := "other:2"
	d.Functions[1].DockerImageOverride = &override
	var made, got wire.VersionInfo
	s.do(http.MethodPost, "/projects/p/versions", d).is(http.StatusOK, &made)
	s.get("/projects/p/versions/"+made.VersionID).is(http.StatusOK, &got)
	f, g := got.Functions[0], got.Functions[1]
	if got.VersionID != made.VersionID || got.State != wire.VersionPreparing || len(got.Functions) != 2 ||
		f.FunctionName != "f" || f.DockerImage != "image:1" || g.DockerImage != override ||
		f.ResourceSpec != d.Functions[0].ResourceSpec || f.ExecutionSpec != d.Functions[0].ExecutionSpec ||
		f.FunctionStatus != wire.FunctionPending {
		t.Errorf("got %+v", got)
	}
	if !multinode.ValidID(multinode.VersionPrefix, got.VersionID) {
		t.Errorf("version ID %q", got.VersionID)
	}
	s.get("/projects/p/versions/ver-1").fails(wire.VersionDoesNotExist)
	s.get("/projects/p/versions/" + multinode.NewID("ver")).fails(wire.VersionDoesNotExist)

	_, ready := s.deploy("p", spec("f"))
	if s.get("/projects/p/versions/LaTest").is(http.StatusOK, &got); got.VersionID != ready.ID || got.Functions[0].FunctionStatus != wire.FunctionReady {
		t.Errorf("latest is %+v, want %s", got, ready.ID)
	}
	var list wire.VersionsListForProject
	if s.get("/projects/p/versions").is(http.StatusOK, &list); len(list.Versions) != 2 || list.Versions[0].VersionID != ready.ID {
		t.Errorf("versions %+v, want the newest first", list)
	}
}

func TestVersionDefinitionsAreChecked(t *testing.T) {
	s := start(t)
	s.put("/projects/p")
	check := func(location, kind, body string) {
		t.Helper()
		s.do(http.MethodPost, "/projects/p/versions", body).violates(location, kind)
	}
	function := func(name, resources, execution string) string {
		return `{"default_docker_image":"i","functions":[{"function_name":` + name + `,"resource_spec":` + resources + `,"execution_spec":` + execution + `}]}`
	}
	const resources, execution = `{"virtual_cpus":1,"memory_gbs":1,"max_concurrency":1}`, `{"max_retries":0,"timeout_seconds":1}`
	check(`["body"]`, "value_error.missing", "")
	check(`["body",0]`, "value_error.jsondecode", "{")
	check(`["body"]`, "type_error.dict", "[]")
	check(`["body"]`, "type_error.none.not_allowed", "null")
	check(`["body","functions"]`, "value_error.missing", `{"default_docker_image":"i"}`)
	check(`["body","functions"]`, "type_error.list", `{"default_docker_image":"i","functions":{}}`)
	check(`["body","default_docker_image"]`, "type_error.str", `{"default_docker_image":1,"functions":[]}`)
	check(`["body","default_docker_image"]`, "value_error.any_str.max_length", `{"default_docker_image":"`+strings.Repeat("i", 1024)+`","functions":[]}`)
	check(`["body","functions",0,"function_name"]`, "value_error.any_str.max_length", function(`"`+strings.Repeat("ü", 1024)+`"`, resources, execution))
	check(`["body","functions",0,"function_name"]`, "value_error.any_str.min_length", function(`""`, resources, execution))
	check(`["body","functions",0]`, "value_error", function(`"a\u0000"`, resources, execution))
	for _, c := range []struct{ field, value, kind string }{
		{"virtual_cpus", "0", "value_error.number.not_gt"}, {"virtual_cpus", "16.1", "value_error.number.not_le"},
		{"virtual_cpus", `"1"`, "type_error.float"}, {"virtual_cpus", "1e999", "type_error.float"},
		{"memory_gbs", "0", "value_error.number.not_gt"}, {"memory_gbs", "65", "value_error.number.not_le"},
		{"max_concurrency", "0", "value_error.number.not_ge"}, {"max_concurrency", "101", "value_error.number.not_le"},
		{"max_concurrency", "1.5", "type_error.integer"}, {"max_concurrency", "null", "type_error.none.not_allowed"},
	} {
		before, after, _ := strings.Cut(resources, `"`+c.field+`":1`)
		check(`["body","functions",0,"resource_spec","`+c.field+`"]`, c.kind, function(`"f"`, before+`"`+c.field+`":`+c.value+after, execution))
	}
	check(`["body","functions",0,"execution_spec","max_retries"]`, "value_error.number.not_le", function(`"f"`, resources, `{"max_retries":51,"timeout_seconds":1}`))
	check(`["body","functions",0,"execution_spec","timeout_seconds"]`, "value_error.number.not_ge", function(`"f"`, resources, `{"max_retries":0,"timeout_seconds":0}`))
	check(`["body","functions",0,"execution_spec","timeout_seconds"]`, "value_error.number.not_le", function(`"f"`, resources, `{"max_retries":0,"timeout_seconds":86401}`))
	s.do(http.MethodPost, "/projects/p/versions", versionDefinition("f", "f")).violates(`["body","functions",1,"function_name"]`, "value_error")
	s.do(http.MethodPost, "/projects/p/versions", "\xff").violates(`["body"]`, "value_error.jsondecode")
	s.do(http.MethodPost, "/projects/p/versions", "{} {}").violates(`["body",4]`, "value_error.jsondecode")
	// Whole numbers may be written as decimals, and what is not known is ignored.
	s.do(http.MethodPost, "/projects/p/versions", strings.Replace(function(`"f"`, resources, execution), `"timeout_seconds":1`, `"timeout_seconds":1.0,"x":1`, 1)).is(http.StatusOK, nil)
}

func TestContainerRepositoryCredentials(t *testing.T) {
	s := start(t)
	s.get("/container_repository_credentials").failsWith(http.StatusNotFound, "no container repository")
}
