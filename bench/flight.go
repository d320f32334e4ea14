package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"multinode"
	"multinode/dispatcher/provision/fargate/fakeecs"
	"multinode/streams"
)

const (
	inFlight       = 1_000
	flyingFor      = 30 * time.Second
	flightFunction = "f%d"
)

// measureInFlight has one dispatcher, a process of its own, run a thousand tasks at a
// time. They are stubs: each has a worker's connection, beats, and finishes when told.
func measureInFlight(ctx context.Context, r *report) error {
	stubs := &stubWorkers{ctx: ctx, finish: make(chan struct{})}
	ecs := fakeecs.New(fakeecs.Options{Limits: true, Run: stubs.run})
	defer ecs.Close()
	if err := onAWS(ecs); err != nil {
		return err
	}
	s, err := startSite(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	version, err := s.deployFlight(ctx)
	if err != nil {
		return err
	}
	pid, err := s.dispatch(ctx, "--provisioner=fargate", "--repository="+flightRepository, "--fargate-subnets=subnet-1",
		"--fargate-cluster="+fakeecs.ClusterARN, "--fargate-queue-url="+ecs.URL+fakeecs.QueuePath)
	if err != nil {
		return err
	}
	for i := range inFlight {
		k := multinode.InvocationKey{
			Project: version.Project, Generation: version.Generation, Function: fmt.Sprintf(flightFunction, i%len(version.Functions)),
			ID: multinode.NewID(multinode.InvocationPrefix),
		}
		if _, err := s.store.Accept(ctx, streams.Request{Key: k, Input: []byte("[[], {}]")}); err != nil {
			return err
		}
	}
	for stubs.running.Load() < inFlight {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	if err := pause(ctx, flyingFor); err != nil {
		return err
	}
	after, err := cpuTime(pid)
	if err != nil {
		return err
	}
	resident, err := residentMB(pid)
	if err != nil {
		return err
	}
	close(stubs.finish)
	succeeded, err := s.awaitEnds(ctx)
	if err != nil {
		return err
	}
	r.line("%d tasks in flight on one dispatcher: resident %.0f MB   %.1f %% of a core over %v   %d ended well",
		inFlight, resident, 100*(after-before).Seconds()/flyingFor.Seconds(), flyingFor, succeeded)
	return nil
}

// awaitEnds waits until all invocations have ended, and counts those that succeeded.
func (s *site) awaitEnds(ctx context.Context) (succeeded int, err error) {
	ended := map[string]bool{}
	err = s.store.Changes(ctx, 0, func(changes []streams.Change) error {
		for _, c := range changes {
			if c.Record == nil || !c.Record.Status.Terminal() || ended[c.Key.ID] {
				continue
			}
			ended[c.Key.ID] = true
			if c.Record.Status == multinode.Succeeded && len(c.Record.Executions) == 1 {
				succeeded++
			}
			if len(ended) == inFlight {
				return errAllEnded
			}
		}
		return nil
	})
	if errors.Is(err, errAllEnded) {
		err = nil
	}
	return succeeded, err
}

// stubWorkers are workers without user's code, in this process.
type stubWorkers struct {
	ctx     context.Context //nolint:containedctx // containers outlive the call that starts them
	finish  chan struct{}
	running atomic.Int64
}

func (s *stubWorkers) run(c fakeecs.Container) fakeecs.Running {
	stub := fakeecs.NewStub(c)
	go func() {
		if err := s.work(c.Environment); err != nil {
			c.Log(err.Error())
			stub.End(1, false)
			return
		}
		stub.End(0, false)
	}()
	return stub
}

func (s *stubWorkers) work(environment map[string]string) error {
	link, err := streams.DialWorker(s.ctx, streams.WorkerOptions{
		URL: environment["MULTINODE_NATS_URL"], CredentialsText: environment["MULTINODE_NATS_CREDS_TEXT"],
		Execution: environment["MULTINODE_EXECUTION_ID"], Key: environment["MULTINODE_EXECUTION_KEY"], Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer link.Close()
	if _, err := link.Hello(s.ctx); err != nil {
		return err
	}
	s.running.Add(1)
	for began := time.Now(); ; {
		select {
		case <-time.After(multinode.BeatInterval):
			if _, err := link.Beat(s.ctx, multinode.Beat{Elapsed: time.Since(began)}); err != nil {
				return err
			}
		case <-s.finish:
			_, err := link.PutOutcome(s.ctx, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
			return err
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}
