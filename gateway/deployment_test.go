package gateway_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
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

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// upload stores a bundle and returns its digest.
func (s *system) upload(content string) string {
	s.t.Helper()
	d := digest([]byte(content))
	s.do(http.MethodPut, "/bundles/"+d, content).is(http.StatusOK, nil)
	return d
}

func TestBundles(t *testing.T) {
	s := start(t)
	content := make([]byte, 3<<20+17)
	_, err := rand.Read(content)
	s.must(err)
	d := digest(content)
	s.do(http.MethodHead, "/bundles/"+d, nil).is(http.StatusNotFound, nil)
	var info wire.BundleInfo
	s.do(http.MethodPut, "/bundles/"+d, bytes.NewReader(content)).is(http.StatusOK, &info)
	if info.Digest != d || info.SizeBytes != int64(len(content)) {
		t.Errorf("stored %+v", info)
	}
	s.do(http.MethodHead, "/bundles/"+d, nil).is(http.StatusOK, nil)
	stored, err := s.store.Bundle(t.Context(), d)
	s.must(err)
	if got, err := io.ReadAll(stored); err != nil || !bytes.Equal(got, content) {
		t.Errorf("what was stored is not what was sent: %v", err)
	}
	// Again, without a length given beforehand, and a small one.
	s.do(http.MethodPut, "/bundles/"+d, io.MultiReader(bytes.NewReader(content))).is(http.StatusOK, &info)
	other := append([]byte("x"), content...)
	s.do(http.MethodPut, "/bundles/"+digest(other), io.MultiReader(bytes.NewReader(other))).is(http.StatusOK, &info)
	s.upload("small")

	wrong := digest([]byte("other"))
	s.do(http.MethodPut, "/bundles/"+wrong, bytes.NewReader(content)).failsWith(http.StatusBadRequest, "damaged on its way")
	s.do(http.MethodHead, "/bundles/"+wrong, nil).is(http.StatusNotFound, nil)
	s.put("/bundles/xyz").violates(`["path","digest"]`, "value_error.str.regex")
	s.put("/bundles/"+strings.Repeat("A", 64)).violates(`["path","digest"]`, "value_error.str.regex")
}

func TestBundlesAreBounded(t *testing.T) {
	s := start(t, func(o *gateway.Options) { o.MaxBundle = 1 << 20 })
	content := strings.Repeat("x", 1<<20+1)
	path := "/bundles/" + digest([]byte(content))
	s.do(http.MethodPut, path, content).failsWith(http.StatusRequestEntityTooLarge, "exceeds 1 MiB")
	s.do(http.MethodPut, path, io.MultiReader(strings.NewReader(content))).failsWith(http.StatusRequestEntityTooLarge, "exceeds 1 MiB")
	s.do(http.MethodHead, path, nil).is(http.StatusNotFound, nil)
	s.upload(content[1:])
}

func TestDeploymentModes(t *testing.T) {
	s := start(t)
	bundle := s.upload("code")
	deploy := func(project string, mode wire.DeploymentMode) answer {
		t.Helper()
		return s.do(http.MethodPost, "/projects/"+project+"/deployments", wire.DeploymentDefinition{Mode: mode, Bundle: bundle})
	}
	fail := func(v wire.VersionInfo) {
		t.Helper()
		p, err := s.store.Project(t.Context(), v.ProjectName)
		s.must(err)
		_, err = s.store.UpdateVersion(t.Context(), p, v.VersionID, func(v *multinode.Version) error {
			v.State, v.Failure = multinode.VersionFailed, "no such package"
			return nil
		})
		s.must(err)
	}
	var v, got wire.VersionInfo
	deploy("p", wire.DeployUpgrade).fails(wire.ProjectDoesNotExist)
	s.get("/projects/p").fails(wire.ProjectDoesNotExist)
	deploy("p", wire.DeployCreate).is(http.StatusOK, &v)
	if v.State != wire.VersionPreparing || v.Failure != nil || v.Functions == nil {
		t.Errorf("deployed %+v", v)
	}
	deploy("p", wire.DeployCreate).fails(wire.ProjectAlreadyExists)
	fail(v)
	if s.get("/projects/p/versions/"+v.VersionID).is(http.StatusOK, &got); got.State != wire.VersionFailed || *got.Failure != "no such package" {
		t.Errorf("failed as %+v", got)
	}
	deploy("p", wire.DeployCreate).is(http.StatusOK, nil)
	deploy("p", wire.DeployUpgrade).is(http.StatusOK, nil)
	deploy("p", wire.DeployEither).is(http.StatusOK, nil)
	deploy("q", wire.DeployEither).is(http.StatusOK, nil)
	s.put("/projects/empty").is(http.StatusOK, nil)
	deploy("empty", wire.DeployCreate).is(http.StatusOK, nil)
	s.do(http.MethodDelete, "/projects/q", nil).is(http.StatusOK, nil)
	deploy("q", wire.DeployEither).fails(wire.ProjectIsBeingDeleted)
	deploy(strings.Repeat("x", 65), wire.DeployCreate).fails(wire.ProjectNameIsTooLong)
}

func TestDeploymentsAreCheckedAndKeepTheirSecrets(t *testing.T) {
	s := start(t)
	bundle := s.upload("code")
	const path, secret = "/projects/p/deployments", "hunter2-is-secret"
	s.do(http.MethodPost, path, `{"mode":"replace","bundle":"`+bundle+`"}`).violates(`["body","mode"]`, "type_error.enum")
	s.do(http.MethodPost, path, `{"mode":"create","bundle":"x"}`).violates(`["body","bundle"]`, "value_error.str.regex")
	s.do(http.MethodPost, path, wire.DeploymentDefinition{Mode: wire.DeployCreate, Bundle: strings.Repeat("0", 64)}).
		failsWith(http.StatusBadRequest, "upload it to /bundles/")
	s.do(http.MethodPost, path, `{"mode":"create","bundle":"`+bundle+`","environment":{"A":1}}`).violates(`["body","environment","A"]`, "type_error.str")
	for _, environment := range []map[string]string{{"": secret}, {"A=B": secret}, {"A": secret + "\x00"}} {
		a := s.do(http.MethodPost, path, wire.DeploymentDefinition{Mode: wire.DeployCreate, Bundle: bundle, Environment: environment})
		if a.is(http.StatusUnprocessableEntity, nil); bytes.Contains(a.body, []byte(secret)) {
			t.Errorf("the answer tells a value: %s", a.body)
		}
	}
	s.get("/projects/p").fails(wire.ProjectDoesNotExist)
	var v wire.VersionInfo
	a := s.do(http.MethodPost, path, wire.DeploymentDefinition{Mode: wire.DeployCreate, Bundle: bundle, Environment: map[string]string{"PASSWORD": secret}})
	a.is(http.StatusOK, &v)
	for what, text := range map[string]string{
		"the answer": string(a.body), "the version": string(s.get("/projects/p/versions/" + v.VersionID).body), "the log": s.logs.String(),
	} {
		if strings.Contains(text, secret) {
			t.Errorf("%s tells the value of a variable", what)
		}
	}
	p, err := s.store.Project(t.Context(), "p")
	s.must(err)
	version, err := s.store.Version(t.Context(), p, v.VersionID)
	s.must(err)
	if environment, err := s.store.VersionEnvironment(t.Context(), version); err != nil || environment["PASSWORD"] != secret {
		t.Errorf("the environment is %v, %v", environment, err)
	}
	if version.Bundle != bundle {
		t.Errorf("the bundle is %q", version.Bundle)
	}
}

func TestTheProgressOfADeployment(t *testing.T) {
	s := start(t)
	bundle := s.upload("code")
	for _, end := range []multinode.VersionState{multinode.VersionReady, multinode.VersionFailed} {
		var v wire.VersionInfo
		s.do(http.MethodPost, "/projects/p/deployments", wire.DeploymentDefinition{Mode: wire.DeployEither, Bundle: bundle}).is(http.StatusOK, &v)
		events := s.events("/projects/p/deployments/" + v.VersionID + "/events")
		p, err := s.store.Project(t.Context(), "p")
		s.must(err)
		version, err := s.store.Version(t.Context(), p, v.VersionID)
		s.must(err)
		// Lines are for those who listen; the stream may not have begun to.
		reported := make(chan struct{})
		seen := make(chan wire.ProgressEvent, 1)
		go func() {
			defer close(reported)
			for {
				select {
				case <-seen:
					return
				default:
					s.store.ReportProgress(version, "installing numpy")
				}
			}
		}()
		line := next[wire.ProgressEvent](t, events, wire.EventProgress)
		seen <- line
		<-reported
		if line.Line != "installing numpy" {
			t.Errorf("line %q", line.Line)
		}
		_, err = s.store.UpdateVersion(t.Context(), p, v.VersionID, func(v *multinode.Version) error {
			v.State, v.Failure, v.Functions = end, "pip says no", []multinode.FunctionSpec{spec("f")}
			return nil
		})
		s.must(err)
		if end == multinode.VersionReady {
			if v := next[wire.VersionInfo](t, events, wire.EventReady); v.State != wire.VersionReady || len(v.Functions) != 1 {
				t.Errorf("ready as %+v", v)
			}
		} else if e := next[wire.ErrorBody](t, events, wire.EventFailed); e.Detail != "pip says no" {
			t.Errorf("failed as %+v", e)
		}
		closes(t, events)
	}
	s.get("/projects/p/deployments/" + multinode.NewID("ver") + "/events").fails(wire.VersionDoesNotExist)
	s.get("/projects/none/deployments/" + multinode.NewID("ver") + "/events").fails(wire.ProjectDoesNotExist)
}

// What another gateway has just answered holds at this one too, though its copy of
// the registry may be an instant behind.
func TestADeployIsKnownAtEveryGatewayAtOnce(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	p, err := s.store.CreateProject(ctx, "p")
	s.must(err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionPreparing, Functions: nil,
	}
	s.must(s.store.CreateVersion(ctx, v, nil))
	// This gateway's copy stays as it is now.
	s.store.Close()
	nc, err := s.nats.Connect("another")
	s.must(err)
	defer nc.Close()
	other, err := streams.Open(ctx, nc, streams.Options{})
	s.must(err)
	defer other.Close()
	v.State, v.Functions = multinode.VersionReady, []multinode.FunctionSpec{spec("f")}
	_, err = other.UpdateVersion(ctx, p, v.ID, func(stored *multinode.Version) error { *stored = v; return nil })
	s.must(err)
	s.must(other.Activate(ctx, v))
	_, err = other.UpdateProject(ctx, p.Name, p.Generation, func(stored *multinode.Project) error {
		stored.LatestVersion = v.ID
		return nil
	})
	s.must(err)
	for _, ref := range []string{"latest", v.ID} {
		s.do(http.MethodPost, functionPath("p", ref, "f")+"/invocations", wire.InvocationDefinition{Input: "[[], {}]"}).is(http.StatusOK, nil)
	}
}

// A project that was undeployed and deployed again is another one, also at a gateway
// whose copy of the registry has seen the old one's version go, and no more yet.
func TestAProjectThatCameAgainIsKnownAtEveryGatewayAtOnce(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	old, err := s.store.CreateProject(ctx, "p")
	s.must(err)
	_, err = s.store.UpdateProject(ctx, old.Name, old.Generation, func(stored *multinode.Project) error {
		stored.LatestVersion = multinode.NewID(multinode.VersionPrefix) // which has gone
		return nil
	})
	s.must(err)
	// This gateway's copy stays as it is now.
	s.store.Close()
	nc, err := s.nats.Connect("another")
	s.must(err)
	defer nc.Close()
	other, err := streams.Open(ctx, nc, streams.Options{})
	s.must(err)
	defer other.Close()
	s.must(other.DeleteProject(ctx, old))
	p, err := other.CreateProject(ctx, "p")
	s.must(err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionReady, Functions: []multinode.FunctionSpec{spec("f")},
	}
	s.must(other.CreateVersion(ctx, v, nil))
	s.must(other.Activate(ctx, v))
	_, err = other.UpdateProject(ctx, p.Name, p.Generation, func(stored *multinode.Project) error {
		stored.LatestVersion = v.ID
		return nil
	})
	s.must(err)
	for _, ref := range []string{v.ID, "latest"} {
		s.do(http.MethodPost, functionPath("p", ref, "f")+"/invocations", wire.InvocationDefinition{Input: "[[], {}]"}).is(http.StatusOK, nil)
	}
}
