package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"time"

	"multinode/client"
	"multinode/wire"
)

const launches = 40

// measureLaunch times from before the start request to the first line of the
// user's function, which says when that was. Its floor is what a new Python
// process cannot do without: starting, and importing jsonpickle, in the same
// environment.
func measureLaunch(ctx context.Context, r *report) error {
	s, err := startSystem(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	python, err := s.python()
	if err != nil {
		return err
	}
	now := client.Function{Project: s.project, Version: "latest", Name: "now"}
	var got, floor samples
	for i := range launches + 1 {
		bare, err := repeat(1, exec.CommandContext(ctx, python, "-c", "import jsonpickle").Run)
		if err != nil {
			return err
		}
		begun := time.Now()
		done, err := s.run(ctx, now)
		if err != nil {
			return err
		}
		nanoseconds, err := strconv.ParseInt(*done.Output, 10, 64)
		if err != nil {
			return err
		}
		if i > 0 { // the first one warms caches
			floor = append(floor, bare...)
			got = append(got, time.Unix(0, nanoseconds).Sub(begun))
		}
	}
	r.against("start to first line", got, floor, 1.5)
	return nil
}

// run starts a function and waits for it.
func (s *system) run(ctx context.Context, f client.Function) (wire.InvocationInfo, error) {
	started, err := s.api.Start(ctx, f, wire.InvocationDefinition{Input: "[[], {}]"}, "")
	if err != nil {
		return started, err
	}
	done, err := s.api.Await(ctx, f.Invocation(started.InvocationID))
	if err == nil && done.Output == nil {
		err = fmt.Errorf("the invocation ended %s", done.Status)
	}
	return done, err
}
