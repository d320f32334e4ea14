package docker_test

import (
	"bufio"
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"multinode"
	"multinode/dispatcher/provision"
)

var ends = map[string]syscall.Signal{"killed": syscall.SIGKILL, "stopped": syscall.SIGTERM}

// Without live-restore, no worker outlives its engine.
func TestWorkersThatEndWithTheEngineAreNoticed(t *testing.T) {
	for name, signal := range ends {
		t.Run("the engine is "+name, func(t *testing.T) {
			e := newOwnEngine(t)
			e.start(t, false)
			s := e.stage(t)
			one, other := e.launch(t, s, "wait"), e.launch(t, s, "wait")
			e.end(t, signal)
			waiting := s.intend("wait")
			s.isAway(t, waiting, one)
			e.start(t, false)
			s.ended(t, one, other)
			workers, err := s.List(t.Context())
			if err != nil || len(workers) != 2 {
				t.Fatalf("listed: %+v, %v", workers, err)
			}
			for _, w := range workers {
				if !w.Started || w.Alive {
					t.Errorf("after the restart, one is listed as %+v", w)
				}
			}
			if place := e.open(t, s.site).Place(); place != s.Place() {
				t.Errorf("the place was %s and is %s", s.Place(), place)
			}
			s.works(t, waiting, one, other)
		})
	}
}

// With live-restore, the workers live on, and are found and watched again.
func TestWorkersThatOutliveTheEngineAreKept(t *testing.T) {
	for name, signal := range ends {
		t.Run("the engine is "+name, func(t *testing.T) {
			e := newOwnEngine(t)
			e.start(t, true)
			s := e.stage(t)
			ended, ending, staying := e.launch(t, s, "wait"), e.launch(t, s, "wait"), e.launch(t, s, "stay")
			pid := e.pid(t, s.site, ended)
			stopped := make(chan error, 1)
			go func() { stopped <- s.Stop(t.Context(), staying, multinode.Worker{}, 2*patience) }()
			e.said(t, s.site, staying, "asked to end")
			e.end(t, signal)
			if err := <-stopped; err == nil || provision.KindOf(err) != provision.Transient {
				t.Errorf("a stop that the engine's end cut off: %v", err)
			}
			waiting := s.intend("wait")
			s.isAway(t, waiting, ending)
			e.endWorker(t, pid)
			e.start(t, true)
			s.ended(t, ended)
			workers, err := s.List(t.Context())
			if err != nil || len(workers) != 3 {
				t.Fatalf("listed: %+v, %v", workers, err)
			}
			for _, w := range workers {
				if !w.Started || w.Alive != (w.ExecutionID != ended) {
					t.Errorf("after the restart, one is listed as %+v", w)
				}
			}
			kill(t, e.Client, s.site, ending)
			s.ended(t, ending)
			if place := e.open(t, s.site).Place(); place != s.Place() {
				t.Errorf("the place was %s and is %s", s.Place(), place)
			}
			s.works(t, waiting, ended, ending, staying)
		})
	}
}

// launch returns when the worker is up.
func (e *ownEngine) launch(t *testing.T, s stage, deed string) string {
	t.Helper()
	id := s.launch(t, s.intend(deed))
	e.said(t, s.site, id, "here")
	return id
}

// pid is that of the worker's first process, as the engine sees it.
func (e *ownEngine) pid(t *testing.T, s site, id string) int {
	t.Helper()
	c, err := e.ContainerInspect(t.Context(), "multinode-"+s.namespace+"-"+id)
	if err != nil {
		t.Fatal(err)
	}
	return c.State.Pid
}

// said waits until the worker has said something.
func (e *ownEngine) said(t *testing.T, s site, id, what string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log, err := e.ContainerLogs(ctx, "multinode-"+s.namespace+"-"+id, container.LogsOptions{ShowStderr: true, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.HasSuffix(lines.Text(), what) { // after a frame's header
			return
		}
	}
	t.Fatalf("the worker did not say %q, and ended or goes on: %v", what, ctx.Err())
}

// isAway sees that nothing is decided while the engine is away.
func (s stage) isAway(t *testing.T, launch provision.Intent, stop string) {
	t.Helper()
	_, launched := s.Launch(t.Context(), launch)
	_, listed := s.List(t.Context())
	for what, err := range map[string]error{
		"launch": launched, "list": listed, "stop": s.Stop(t.Context(), stop, multinode.Worker{}, 0),
	} {
		if err == nil || provision.KindOf(err) != provision.Transient || provision.RetryAfter(err) == 0 ||
			!strings.Contains(err.Error(), "Cannot connect to the Docker daemon") {
			t.Errorf("%s without an engine: %v, %v, again after %v", what, err, provision.KindOf(err), provision.RetryAfter(err))
		}
	}
}

// ended waits for the notices of the workers.
func (s stage) ended(t *testing.T, ids ...string) {
	t.Helper()
	missing := map[string]bool{}
	for _, id := range ids {
		missing[id] = true
	}
	timeout := time.After(patience)
	for len(missing) > 0 {
		select {
		case exit := <-s.Exits():
			if exit.OutOfMemory || exit.NotStarted {
				t.Errorf("the notice: %+v", exit)
			}
			delete(missing, exit.ExecutionID)
		case <-timeout:
			t.Fatalf("no notice of the ends of %v", missing)
		}
	}
}

// works sees that the engine, back again, serves as before.
func (s stage) works(t *testing.T, launch provision.Intent, stop ...string) {
	t.Helper()
	for _, id := range append(stop, s.launch(t, launch)) {
		if err := s.Stop(t.Context(), id, multinode.Worker{}, 0); err != nil {
			t.Error(err)
		}
	}
	if workers, err := s.List(t.Context()); err != nil || len(workers) > 0 {
		t.Errorf("listed after all: %+v, %v", workers, err)
	}
}
