package dispatcher

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/dispatcher/build/container"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// beingPrepared stores a version of a new project and claims it.
func beingPrepared(t *testing.T, d *Dispatcher) *preparation {
	t.Helper()
	p, err := d.Store.CreateProject(t.Context(), "p")
	must(t, err)
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation,
		CreatedAt: time.Now().UTC(), State: multinode.VersionPreparing, Image: "image",
	}
	must(t, d.Store.CreateVersion(t.Context(), v, nil))
	w := &preparation{Dispatcher: d, project: p, version: v, preparer: "first"}
	must(t, w.claim(t.Context()))
	return w
}

var prepared = []multinode.FunctionSpec{{Name: "fn", CPU: 0.1, MemoryGiB: 0.25, MaxConcurrency: 1, Timeout: time.Hour}}

// TestASuspendedPreparerDoesNotOverrideANewerClaim: whatever it comes to when it
// wakes, the one that has the claim now says how the version ends.
func TestASuspendedPreparerDoesNotOverrideANewerClaim(t *testing.T) {
	d := newContender(t, embeddedtest.Start(t), time.Now()).d
	first := beingPrepared(t, d)
	_, err := d.Store.UpdateVersion(t.Context(), first.project, first.version.ID, func(v *multinode.Version) error {
		v.Claim.Until = time.Now().Add(-time.Second)
		return nil
	})
	must(t, err)
	second := &preparation{Dispatcher: d, project: first.project, version: first.version, preparer: "second"}
	must(t, second.claim(t.Context()))

	first.release(t.Context())
	for what, err := range map[string]error{
		"claim": first.claim(t.Context()), "fail": first.fail(t.Context(), "late"), "activate": first.activate(t.Context(), container.Result{Functions: prepared}),
	} {
		if !errors.Is(err, errClaimed) {
			t.Errorf("%s answered %v", what, err)
		}
	}
	v, err := d.Store.CurrentVersion(t.Context(), first.project, first.version.ID)
	must(t, err)
	if v.State != multinode.VersionPreparing || v.Claim == nil || v.Claim.By != "second" || len(v.Functions) > 0 {
		t.Errorf("the version is %+v", v)
	}
	if functions := d.Store.Functions(t.Context()); len(functions) > 0 {
		t.Errorf("deployed are %+v", functions)
	}
	must(t, second.activate(t.Context(), container.Result{Functions: prepared}))
	if err := first.fail(t.Context(), "late"); !errors.Is(err, errClaimed) {
		t.Errorf("after the other one's end it answered %v", err)
	}
	v, err = d.Store.CurrentVersion(t.Context(), first.project, first.version.ID)
	if must(t, err); v.State != multinode.VersionReady || v.Failure != "" {
		t.Errorf("the version is %+v", v)
	}
}

// TestAPreparerWhoseProjectHasGoneLeavesItsNameFree: also where it was suspended so
// late that streams of it are there.
func TestAPreparerWhoseProjectHasGoneLeavesItsNameFree(t *testing.T) {
	server := embeddedtest.Start(t)
	d := newContender(t, server, time.Now()).d
	late := beingPrepared(t, d)
	must(t, d.Store.DeleteProject(t.Context(), late.project))
	for what, err := range map[string]error{
		"fail": late.fail(t.Context(), "late"), "activate": late.activate(t.Context(), container.Result{Functions: prepared}),
	} {
		if !errors.Is(err, streams.ErrNotFound) {
			t.Errorf("%s answered %v", what, err)
		}
	}
	again := beingPrepared(t, d)
	nc, err := server.Connect("late")
	must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "mn-invoke-" + late.project.Generation + "-p-fn", Subjects: []string{"mn.invoke.p.fn.*"},
	})
	must(t, err)
	must(t, again.activate(t.Context(), container.Result{Functions: prepared}))
	if v, err := d.Store.Version(t.Context(), again.project, again.version.ID); err != nil || v.State != multinode.VersionReady {
		t.Errorf("the version is %+v: %v", v, err)
	}
}
