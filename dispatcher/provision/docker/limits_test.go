package docker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/volume"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/docker"
)

const patience = 30 * time.Second

// stage is a provisioner with what its workers need.
type stage struct {
	site
	*docker.Provisioner
}

func newStage(t *testing.T, change func(*docker.Options)) stage {
	t.Helper()
	s := newSite(t)
	o := s.options(0)
	if change != nil {
		change(&o)
	}
	p := stage{s, s.open(t, o)}
	t.Cleanup(func() { s.clear(t) })
	return p
}

// clear stops all workers of the place. The test's own context has ended by then.
func (s site) clear(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p := s.open(t, s.options(0))
	workers, err := p.List(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, w := range workers {
		if err := p.Stop(ctx, w.ExecutionID, w.Handle, 0); err != nil {
			t.Error(err)
		}
	}
}

// intend returns an intent for a deed.
func (s stage) intend(deed string) provision.Intent {
	intent := s.intent(multinode.NewID(multinode.ExecutionPrefix))
	intent.Environment[deedVariable] = deed
	return intent
}

func (s stage) launch(t *testing.T, intent provision.Intent) string {
	t.Helper()
	if _, err := s.Launch(t.Context(), intent); err != nil {
		t.Fatal(err)
	}
	return intent.ExecutionID
}

// end waits for the notice of the execution.
func (s stage) end(t *testing.T, id string) provision.Exit {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case exit := <-s.Exits():
			if exit.ExecutionID == id {
				return exit
			}
		case <-timeout:
			t.Fatalf("no notice of the end of %s", id)
		}
	}
}

func TestOutOfMemoryIsRecognised(t *testing.T) {
	for _, deed := range []string{"eat", "starve"} {
		t.Run(deed, func(t *testing.T) {
			s := newStage(t, nil)
			intent := s.intend(deed)
			intent.MemoryGiB = 1. / 32
			exit := s.end(t, s.launch(t, intent))
			if !exit.OutOfMemory || !strings.Contains(exit.Detail, "0.03125 GiB") {
				t.Errorf("the notice: %+v", exit)
			}
		})
	}
}

func TestAKillFromOutsideIsNoWantOfMemory(t *testing.T) {
	s := newStage(t, nil)
	engine := requireEngine(t)
	intent := s.intend("wait")
	s.launch(t, intent)
	if err := engine.ContainerKill(t.Context(), "multinode-"+s.namespace+"-"+intent.ExecutionID, "SIGKILL"); err != nil {
		t.Fatal(err)
	}
	exit := s.end(t, intent.ExecutionID)
	if exit.OutOfMemory || !strings.Contains(exit.Detail, "137") || !strings.Contains(exit.Detail, "not by the dispatcher") {
		t.Errorf("the notice: %+v", exit)
	}
}

func TestARemovalByOthersIsNoticed(t *testing.T) {
	s := newStage(t, nil)
	engine := requireEngine(t)
	intent := s.intend("wait")
	s.launch(t, intent)
	err := engine.ContainerRemove(t.Context(), "multinode-"+s.namespace+"-"+intent.ExecutionID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil {
		t.Fatal(err)
	}
	s.end(t, intent.ExecutionID)
}

func TestProcessesAreLimited(t *testing.T) {
	s := newStage(t, func(o *docker.Options) { o.PIDs = 48 })
	exit := s.end(t, s.launch(t, s.intend("breed")))
	if !strings.Contains(exit.Detail, "resource temporarily unavailable") && !strings.Contains(exit.Detail, "pthread_create") && !strings.Contains(exit.Detail, "errno=11") {
		t.Errorf("the notice: %+v", exit)
	}
}

func TestWorkersHaveNoPrivileges(t *testing.T) {
	s := newStage(t, nil)
	intent := s.intend("look")
	exit := s.end(t, s.launch(t, intent))
	_, text, _ := strings.Cut(exit.Detail, "last lines were:\n")
	var v view
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %+v", err, exit)
	}
	for name, value := range v.Status {
		if strings.HasPrefix(name, "Cap") && strings.Trim(value, "0") != "" {
			t.Errorf("%s is %s", name, value)
		}
	}
	if v.Status["NoNewPrivs"] != "1" || v.Status["Seccomp"] != "2" || v.User != "65532:65532" || v.Init == "worker" {
		t.Errorf("privileges: %+v", v)
	}
	for path, want := range map[string]string{
		"/x": "read-only", "/etc/x": "read-only", "/app/x": "<nil>", "/app/main.py": "<nil>", "/tmp/x": "<nil>",
	} {
		if !strings.Contains(v.Writes[path], want) {
			t.Errorf("writing %s: %s, not %s", path, v.Writes[path], want)
		}
	}
	if v.Project != "/app" || v.Home != "/tmp" || v.Secret != string(intent.Credentials) {
		t.Errorf("environment: %+v", v)
	}
}

func TestTheEngineEnforcesTheLimits(t *testing.T) {
	s := newStage(t, nil)
	intent := s.intend("wait")
	s.launch(t, intent)
	c, err := requireEngine(t).ContainerInspect(t.Context(), "multinode-"+s.namespace+"-"+intent.ExecutionID)
	if err != nil {
		t.Fatal(err)
	}
	h := c.HostConfig
	if h.NanoCPUs != 5e8 || h.Memory != 1<<27 || h.MemorySwap != h.Memory || h.PidsLimit == nil || *h.PidsLimit != 4096 ||
		h.Privileged || len(h.Binds) > 0 || h.LogConfig.Config["max-size"] == "" {
		t.Errorf("limits: %+v", h)
	}
}

func TestWorkersCannotReachEachOther(t *testing.T) {
	s := newStage(t, nil)
	hub, err := net.Listen("tcp", net.JoinHostPort(hostOf(s.Provisioner), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hub.Close() }()
	s.launch(t, s.intend("listen "+hub.Addr().String()))
	conn, err := hub.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	address, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	direct, err := net.Dial("tcp", address) // it does listen
	if err != nil {
		t.Fatal(err)
	}
	_ = direct.Close()
	exit := s.end(t, s.launch(t, s.intend("dial "+address)))
	if !strings.Contains(exit.Detail, "not reached") {
		t.Errorf("one worker reached another: %+v", exit)
	}
}

func TestARoomThatIsFullIsNoFailure(t *testing.T) {
	for name, change := range map[string]func(*docker.Options){
		"memory": func(o *docker.Options) { o.MemoryGiB = 0.2 },
		"CPUs":   func(o *docker.Options) { o.CPUs = 0.9 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, change)
			id := s.launch(t, s.intend("wait"))
			_, err := s.Launch(t.Context(), s.intend("wait"))
			if provision.KindOf(err) != provision.NoCapacity || !strings.Contains(err.Error(), name) && !strings.Contains(err.Error(), "GiB") {
				t.Errorf("a second worker: %v", err)
			}
			if err := s.Stop(t.Context(), id, multinode.Worker{}, 0); err != nil {
				t.Fatal(err)
			}
			s.launch(t, s.intend("wait"))
			big := s.intend("wait")
			big.MemoryGiB = 1
			if _, err := s.Launch(t.Context(), big); name == "memory" && provision.KindOf(err) != provision.Permanent {
				t.Errorf("what is more than all: %v", err)
			}
		})
	}
}

// A volume whose container was removed by others is found at the next start.
func TestVolumesThatLostTheirContainerAreRemoved(t *testing.T) {
	s := newStage(t, nil)
	engine := requireEngine(t)
	id := s.launch(t, s.intend("wait"))
	ours := filters.NewArgs(filters.Arg("label", "multinode.namespace="+s.namespace))
	volumes := func() int {
		t.Helper()
		found, err := engine.VolumeList(t.Context(), volume.ListOptions{Filters: ours})
		if err != nil {
			t.Fatal(err)
		}
		return len(found.Volumes)
	}
	if volumes() != 1 {
		t.Fatalf("a worker has %d volumes", volumes())
	}
	if err := engine.ContainerRemove(t.Context(), "multinode-"+s.namespace+"-"+id, container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	s.open(t, s.options(0))
	for volumes() > 0 && t.Context().Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
}
