package main

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"multinode/client"
	"multinode/wire"
)

const (
	fewWaiting  = 1_000
	manyWaiting = 100_000
	starters    = 32
)

// measureWaiting lets invocations pile up behind the only slot of a function, and
// reads from the kernel what `multinode up` holds with few and with many of them. The
// floor is a NATS server that holds the same messages.
func measureWaiting(ctx context.Context, r *report) error {
	floorFew, floorMany, err := bareWaiting(ctx)
	if err != nil {
		return err
	}
	return withServer(ctx, benchProject, func(api *client.Client, pid int) error {
		few, err := residentWith(ctx, api, pid, fewWaiting)
		if err != nil {
			return err
		}
		many, err := residentWith(ctx, api, pid, manyWaiting-fewWaiting)
		if err != nil {
			return err
		}
		each := func(few, many float64) float64 { return 1000 * (many - few) / (manyWaiting - fewWaiting) }
		r.line("memory of its own with %d waiting %.0f MB, with %d %.0f MB: %.2f KB for each more",
			fewWaiting, few, manyWaiting, many, each(few, many))
		r.line("floor, a NATS server with the same messages: %.0f MB and %.0f MB: %.2f KB for each more",
			floorFew, floorMany, each(floorFew, floorMany))
		return nil
	})
}

func bareWaiting(ctx context.Context) (few, many float64, err error) {
	err = withBareServer(ctx, func(store func(int) error, pid int) error {
		if err := store(fewWaiting); err != nil {
			return err
		}
		if few, err = atRest(ctx, pid); err != nil {
			return err
		}
		if err := store(manyWaiting - fewWaiting); err != nil {
			return err
		}
		many, err = atRest(ctx, pid)
		return err
	})
	return few, many, err
}

// residentWith starts n more, and waits until their records have been made and
// the server is at rest.
func residentWith(ctx context.Context, api *client.Client, pid int, n int64) (float64, error) {
	block := client.Function{Project: serverProject, Version: "latest", Name: "block"}
	var begun atomic.Int64
	group, starting := errgroup.WithContext(ctx)
	for range starters {
		group.Go(func() error {
			for begun.Add(1) <= n {
				if _, err := api.Start(starting, block, wire.InvocationDefinition{Input: `[[1, 2], {"x": 3}]`}, ""); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return atRest(ctx, pid)
}

// atRest waits until the server burns next to nothing: the records of the last
// burst have been made then, and memory was given back.
func atRest(ctx context.Context, pid int) (float64, error) {
	for {
		before, err := cpuTime(pid)
		if err != nil {
			return 0, err
		}
		if err := pause(ctx, settleFor); err != nil {
			return 0, err
		}
		after, err := cpuTime(pid)
		if err != nil {
			return 0, err
		}
		if after-before < settleFor/20 {
			return ownMB(pid)
		}
	}
}
