package docker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/docker"
)

// cutOff leaves what a launch leaves whose dispatcher died in it.
func (s stage) cutOff(t *testing.T) provision.Intent {
	t.Helper()
	intent := s.intend("wait")
	_, err := requireEngine(t).ContainerCreate(t.Context(), &container.Config{
		Image: s.image, Env: []string{deedVariable + "=look"},
		Labels: map[string]string{
			"multinode.namespace": s.namespace, "multinode.execution": intent.ExecutionID, "multinode.execution-key": "key",
			"multinode.launcher": "prv-dead",
		},
	}, &container.HostConfig{}, nil, nil, "multinode-"+s.namespace+"-"+intent.ExecutionID)
	if err != nil {
		t.Fatal(err)
	}
	return intent
}

func (s stage) only(t *testing.T) provision.Worker {
	t.Helper()
	workers, err := s.List(t.Context())
	if err != nil || len(workers) != 1 {
		t.Fatalf("listed: %+v, %v", workers, err)
	}
	return workers[0]
}

func TestALaunchThatWasCutOffIsCompleted(t *testing.T) {
	s := newStage(t, func(o *docker.Options) { o.TakeOver = 200 * time.Millisecond })
	intent := s.cutOff(t)
	if w := s.only(t); w.Started || w.Alive || w.ExecutionKey != "key" || w.ExecutionID != intent.ExecutionID {
		t.Errorf("cut off, it is listed as %+v", w)
	}
	s.launch(t, intent)
	if w := s.only(t); !w.Started || !w.Alive || w.ExecutionKey != intent.ExecutionKey {
		t.Errorf("completed, it is listed as %+v", w)
	}
}

func TestALaunchThatWasCutOffIsRemoved(t *testing.T) {
	s := newStage(t, nil)
	intent := s.cutOff(t)
	if err := s.Stop(t.Context(), intent.ExecutionID, multinode.Worker{}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if workers, err := s.List(t.Context()); err != nil || len(workers) > 0 {
		t.Errorf("listed: %+v, %v", workers, err)
	}
}

// Another launcher that is about to start what it has created is waited for.
func TestALaunchUnderWayElsewhereIsLeftAlone(t *testing.T) {
	s := newStage(t, func(o *docker.Options) { o.TakeOver = time.Hour })
	intent := s.cutOff(t)
	name := "multinode-" + s.namespace + "-" + intent.ExecutionID
	engine := requireEngine(t)
	before, err := engine.ContainerInspect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	launched := make(chan error, 1)
	go func() {
		_, err := s.Launch(t.Context(), intent)
		launched <- err
	}()
	if err := engine.ContainerStart(t.Context(), before.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-launched; err != nil {
		t.Fatal(err)
	}
	after, err := engine.ContainerInspect(t.Context(), name)
	if err != nil || after.ID != before.ID {
		t.Errorf("it was replaced: %v", err)
	}
}

// The engine's init starts the runner, and says why it cannot.
func TestWhyARunnerNeverStartedIsInTheNotice(t *testing.T) {
	s := newStage(t, nil)
	id, err := importImage(requireEngine(t), map[string][]byte{}, `ENTRYPOINT ["/usr/local/bin/multinode"]`)
	if err != nil {
		t.Fatal(err)
	}
	intent := s.intend("wait")
	intent.Image = id
	exit := s.end(t, s.launch(t, intent))
	if !strings.Contains(exit.Detail, "code 127") || !strings.Contains(exit.Detail, "/usr/local/bin/multinode failed: No such file") {
		t.Errorf("the notice: %+v", exit)
	}
}

func TestAContainerThatCannotBeStartedIsNotLeft(t *testing.T) {
	s := newStage(t, nil)
	id, err := importImage(requireEngine(t), map[string][]byte{}, `ENTRYPOINT ["/worker"]`, `USER nobody-knows`)
	if err != nil {
		t.Fatal(err)
	}
	intent := s.intend("wait")
	intent.Image = id
	if _, err := s.Launch(t.Context(), intent); err == nil || !strings.Contains(err.Error(), "nobody-knows") {
		t.Errorf("launched as an unknown user: %v", err)
	}
	if workers, err := s.List(t.Context()); err != nil || len(workers) > 0 {
		t.Errorf("listed: %+v, %v", workers, err)
	}
}
