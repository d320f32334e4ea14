package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/fargate"
	"multinode/dispatcher/provision/fargate/fakeecs"
)

const (
	measuredLaunches = 500
	launchers        = 200
	// awsLaunchRate is the account's limit, in launches a second.
	awsLaunchRate = 20
)

// measureFargate takes what AWS limits or charges for, against a stand-in for ECS
// that holds to AWS's limits.
func measureFargate(ctx context.Context, r *report) error {
	if err := measureLaunchRate(ctx, r); err != nil {
		return err
	}
	return measureInFlight(ctx, r)
}

// onAWS lets this process and its children find the stand-in, as programs find AWS.
func onAWS(ecs *fakeecs.Server) error {
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": ecs.URL, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	return nil
}

// measureLaunchRate asks for more launches than AWS allows, each again when it is told
// to come back, and counts those that are made in a second after the first burst.
func measureLaunchRate(ctx context.Context, r *report) error {
	ecs := fakeecs.New(fakeecs.Options{Limits: true})
	defer ecs.Close()
	if err := onAWS(ecs); err != nil {
		return err
	}
	o, err := fargate.Load(ctx, fakeecs.ClusterARN)
	if err != nil {
		return err
	}
	o.Subnets, o.QueueURL = []string{"subnet-1"}, ecs.URL+fakeecs.QueuePath
	p, err := fargate.New(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	go func() {
		for range p.Exits() {
			// They have to be taken.
		}
	}()
	// The first launches use up what AWS allows at once; they come at the steady
	// rate, so that its burst is left for others.
	const first = 50
	begun, putOff := atomic.Int64{}, atomic.Int64{}
	var from time.Time
	made := atomic.Int64{}
	group, launching := errgroup.WithContext(ctx)
	for range launchers {
		group.Go(func() error {
			for {
				n := begun.Add(1)
				if n > first+measuredLaunches {
					return nil
				}
				if err := launchWhenTold(launching, p, "exe-"+strconv.FormatInt(n, 10), &putOff); err != nil {
					return err
				}
				if made.Add(1) == first {
					from = time.Now()
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	rate := measuredLaunches / time.Since(from).Seconds()
	r.line("%.1f launches a second over %d of them (aim at least 19, AWS allows %d)   %d put off, %d refused",
		rate, measuredLaunches, awsLaunchRate, putOff.Load(), ecs.Throttled("RunTask"))
	return nil
}

func launchWhenTold(ctx context.Context, p *fargate.Provisioner, id string, putOff *atomic.Int64) error {
	for {
		_, err := p.Launch(ctx, provision.Intent{
			ExecutionID: id, ExecutionKey: "p.g.f.i." + id, Project: "p", Function: "f", Invocation: "inv-" + id,
			CPU: 0.25, MemoryGiB: 0.5, Image: "registry.example/app@sha256:0", Credentials: []byte("secret"),
		})
		if provision.KindOf(err) != provision.NoCapacity || err == nil {
			return err
		}
		putOff.Add(1)
		if err := pause(ctx, provision.RetryAfter(err)); err != nil {
			return fmt.Errorf("waiting for a turn: %w", err)
		}
	}
}
