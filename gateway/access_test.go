package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/gateway"
	"multinode/streams"
	"multinode/wire"
)

// access is what a route takes, written down a second time on purpose: a change
// of the table of paths has to be meant.
type access struct {
	role streams.Role // the lowest that will do; empty for anybody
	// all means that a key of one project will not do.
	all bool
	// reports means that it is for the worker of the very execution, or an
	// administrator.
	reports bool
	body    any
}

var accesses = map[string]access{
	"get_health":                           {},
	"get_openapi":                          {},
	"get_readiness":                        {},
	"get_container_repository_credentials": {role: streams.RoleDeploy, all: true},
	"list_api_keys":                        {role: streams.RoleAdmin},
	"create_api_key":                       {role: streams.RoleAdmin, body: wire.APIKeyDefinition{Name: "new", Role: wire.RoleRead, ProjectName: new("p")}},
	"revoke_api_key":                       {role: streams.RoleAdmin},
	"list_projects":                        {role: streams.RoleRead},
	"create_project":                       {role: streams.RoleDeploy},
	"get_project":                          {role: streams.RoleRead},
	"delete_project":                       {role: streams.RoleDeploy},
	"create_project_version":               {role: streams.RoleDeploy, body: versionDefinition("f")},
	"list_project_versions":                {role: streams.RoleRead},
	"get_project_version":                  {role: streams.RoleRead},
	"has_bundle":                           {role: streams.RoleDeploy},
	"put_bundle":                           {role: streams.RoleDeploy, body: "not what its digest says"},
	"deploy":                               {role: streams.RoleDeploy, body: wire.DeploymentDefinition{Bundle: strings.Repeat("0", 64), Mode: wire.DeployCreate}},
	"follow_deployment":                    {role: streams.RoleRead},
	"create_invocation":                    {role: streams.RoleInvoke, body: wire.InvocationDefinition{Input: "1"}},
	"list_invocations":                     {role: streams.RoleRead},
	"get_invocation":                       {role: streams.RoleRead},
	"follow_invocation":                    {role: streams.RoleRead},
	"cancel_invocation":                    {role: streams.RoleInvoke},
	"get_execution":                        {role: streams.RoleRead},
	"start_execution":                      {role: streams.RoleInvoke, reports: true},
	"update_execution":                     {role: streams.RoleInvoke, reports: true, body: wire.ExecutionTemporaryResult{LatestOutput: "1"}},
	"finish_execution":                     {role: streams.RoleInvoke, reports: true, body: wire.ExecutionFinalResult{Outcome: wire.OutcomeSucceeded}},
	"get_execution_logs":                   {role: streams.RoleRead},
}

// lists are the paths that answer everybody with what is theirs: their answers
// are looked at instead of their status.
var lists = map[string]bool{"list_projects": true, "list_api_keys": true}

// caller is somebody with a key.
type caller struct {
	name    string
	key     string
	role    streams.Role
	project string // the key's limit
	// own means that it is the worker of the execution asked for.
	worker, own bool
}

func (c caller) reaches(project string) bool { return c.project == "" || c.project == project }

var order = []streams.Role{streams.RoleRead, streams.RoleInvoke, streams.RoleDeploy, streams.RoleAdmin}

func rankOf(role streams.Role) int {
	for i, r := range order {
		if r == role {
			return i + 1
		}
	}
	return 0
}

// allowed is the whole policy. The paths asked for are p's.
func (c caller) allowed(id string, a access) bool {
	named := a.role != "" && !lists[id] && id != "has_bundle" && id != "put_bundle"
	switch {
	case rankOf(c.role) < rankOf(a.role), a.all && c.project != "", named && !c.reaches("p"):
		return false
	case a.reports:
		return c.own || !c.worker && c.role == streams.RoleAdmin
	}
	return true
}

// world has two projects, with secrets in the one that is asked for, and a caller
// of each kind.
type world struct {
	*system
	paths   *strings.Replacer
	callers []caller
}

const secretOfP = "the-secret-of-p"

func newWorld(t *testing.T) *world {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	q, _ := s.deploy("q", spec("f"))
	w := &world{system: s}
	_, x, _ := s.launchedWith(p, secretOfP)
	_, sibling, _ := s.launchedWith(p, "1")
	_, stranger, _ := s.launchedWith(q, "1")
	w.paths = strings.NewReplacer("{project_name}", "p", "{version_ref_str}", "latest", "{function_name}", "f",
		"{invocation_id}", x.Invocation.ID, "{execution_id}", x.ID, "{digest}", strings.Repeat("0", 64), "{version_id}", p.LatestVersion)
	for _, role := range order {
		for _, project := range []string{"", "p", "q"} {
			_, key, err := s.store.CreateKey(t.Context(), streams.APIKey{Name: "any", Role: role, Project: project})
			s.must(err)
			w.callers = append(w.callers, caller{string(role) + " of " + project, key, role, project, false, false})
		}
	}
	ended := time.Now().Add(-time.Hour)
	_, expired, err := s.store.CreateKey(t.Context(), streams.APIKey{Name: "expired", Role: streams.RoleAdmin, ExpiresAt: &ended})
	s.must(err)
	made, revoked, err := s.store.CreateKey(t.Context(), streams.APIKey{Name: "revoked", Role: streams.RoleAdmin})
	s.must(err)
	s.must(s.store.RevokeKey(t.Context(), made.ID))
	w.callers = append(w.callers,
		caller{name: "nobody"}, caller{name: "a guess", key: "mn-guess"},
		caller{name: "an expired key", key: expired}, caller{name: "a revoked key", key: revoked},
		caller{"the worker", s.store.WorkerKey(x), streams.RoleInvoke, "p", true, true},
		caller{"a sibling worker", s.store.WorkerKey(sibling), streams.RoleInvoke, "p", true, false},
		caller{"a worker of q", s.store.WorkerKey(stranger), streams.RoleInvoke, "q", true, false},
	)
	return w
}

// launchedWith is an execution that is live, of an invocation with that input.
func (s *system) launchedWith(p multinode.Project, input string) (string, multinode.ExecutionKey, *system) {
	s.t.Helper()
	path, k := s.invoke(p, "f", input)
	x := s.run(k)
	return path + "/executions/" + x.ID, x, s.as(s.store.WorkerKey(x))
}

// ask sends one request and returns its answer, of an event stream the head only.
func (w *world) ask(c caller, method, path string, body any) (int, string) {
	w.t.Helper()
	as := w.as(c.key)
	request := as.request(method, path, nil)
	if body != nil {
		request = as.request(method, path, bodyOf(w.t, body))
	}
	response, err := http.DefaultClient.Do(request)
	w.must(err)
	defer func() { _ = response.Body.Close() }()
	if response.Header.Get("Content-Type") == "text/event-stream" {
		return response.StatusCode, ""
	}
	text, err := io.ReadAll(response.Body)
	w.must(err)
	return response.StatusCode, string(text)
}

func TestEveryRouteForEveryKey(t *testing.T) {
	w := newWorld(t)
	for _, r := range gateway.Routes() {
		a, known := accesses[r.ID]
		if !known {
			t.Errorf("%s %s (%s): say in this test who may ask for it", r.Method, r.Path, r.ID)
			continue
		}
		if r.Role != a.role {
			t.Errorf("%s takes the role %q, not %q", r.ID, r.Role, a.role)
		}
		for _, c := range w.callers {
			path := w.paths.Replace(r.Path)
			if r.ID == "revoke_api_key" {
				path = "/api-keys/" + w.victim()
			}
			status, body := w.ask(c, r.Method, path, a.body)
			refused := status == http.StatusForbidden
			if r.ID == "revoke_api_key" && status == http.StatusNotFound { // it does not even see the key
				refused = true
			}
			if want := c.allowed(r.ID, a); want == refused {
				t.Errorf("%s: %s %s: allowed %t, want %t: %d %s", c.name, r.Method, path, !refused, want, status, body)
			}
			if !c.reaches("p") && strings.Contains(body, secretOfP) {
				t.Errorf("%s: %s %s tells a secret of p", c.name, r.Method, path)
			}
		}
	}
	for id := range accesses {
		if !contains(gateway.Routes(), id) {
			t.Errorf("there is no route %s any more", id)
		}
	}
}

func contains(routes []gateway.RouteInfo, id string) bool {
	for _, r := range routes {
		if r.ID == id {
			return true
		}
	}
	return false
}

// victim is a key of p that is there to be revoked.
func (w *world) victim() string {
	made, _, err := w.store.CreateKey(w.t.Context(), streams.APIKey{Name: "victim", Role: streams.RoleRead, Project: "p"})
	w.must(err)
	return made.ID
}

func TestListsShowWhatIsTheCallers(t *testing.T) {
	w := newWorld(t)
	for _, c := range w.callers {
		var projects wire.ProjectsList
		if c.role != "" {
			w.as(c.key).get("/projects").is(http.StatusOK, &projects)
		}
		for _, p := range projects.Projects {
			if !c.reaches(p.ProjectName) {
				t.Errorf("%s sees the project %s", c.name, p.ProjectName)
			}
		}
		var keys wire.APIKeysList
		if c.role == streams.RoleAdmin {
			w.as(c.key).get("/api-keys").is(http.StatusOK, &keys)
			if len(keys.APIKeys) < 4 {
				t.Errorf("%s sees %d keys only", c.name, len(keys.APIKeys))
			}
		}
		for _, k := range keys.APIKeys {
			if c.project != "" && (k.ProjectName == nil || *k.ProjectName != c.project) {
				t.Errorf("%s sees the key %+v", c.name, k)
			}
		}
	}
}

func bodyOf(t *testing.T, body any) io.Reader {
	t.Helper()
	if text, ok := body.(string); ok {
		return strings.NewReader(text)
	}
	return bytes.NewReader(marshal(t, body))
}
