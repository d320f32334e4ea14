package gateway_test

import (
	"net/http"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// A worker of a project that was undeployed may outlive it for an instant. Its key
// opens nothing of the project that was deployed again under the name, also at a
// gateway that learns of that one only while it answers.
func TestAWorkersKeyDoesNotCrossGenerations(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	old, err := s.store.CreateProject(ctx, "p")
	s.must(err)
	// This gateway's copy of the registry stays as it is now.
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

	k := multinode.InvocationKey{Project: old.Name, Generation: old.Generation, Function: "f", ID: multinode.NewID(multinode.InvocationPrefix)}
	_, _, err = other.Apply(ctx, k, multinode.Accepted{Key: k, At: time.Now()}, multinode.LaunchIntended{Execution: "exe-1", At: time.Now()})
	s.must(err)
	worker := s.as(s.store.WorkerKey(k.Execution("exe-1")))
	for _, ref := range []string{"latest", v.ID} {
		path := "/projects/p/versions/" + ref
		worker.get(path).is(http.StatusForbidden, nil)
		worker.get(path+"/functions/f/invocations").is(http.StatusForbidden, nil)
		worker.get(path+"/functions/f/invocations/"+multinode.NewID(multinode.InvocationPrefix)).is(http.StatusForbidden, nil)
		worker.do(http.MethodPost, path+"/functions/f/invocations", wire.InvocationDefinition{Input: "[[], {}]"}).is(http.StatusForbidden, nil)
		s.get(path).is(http.StatusOK, nil) // which another key is for
	}
}
