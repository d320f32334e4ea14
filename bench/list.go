package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"multinode"
	"multinode/client"
	"multinode/embedded"
	"multinode/gateway"
	"multinode/streams"
	"multinode/streams/index"
)

// measureList times the list of the 50 newest over HTTP with a short and with a
// long history. Only the gateway runs, and nothing is synced: neither matters to
// a read, and the histories are made sooner.
func measureList(ctx context.Context, r *report) error {
	few, err := listTimes(ctx, 1_000)
	if err != nil {
		return err
	}
	many, err := listTimes(ctx, 100_000)
	if err != nil {
		return err
	}
	r.against("50 newest of 100,000 (floor: 1,000)", many, few, 1.5)
	return nil
}

func listTimes(ctx context.Context, history int) (times samples, err error) {
	dir, err := os.MkdirTemp("", "multinode-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	options := embedded.DefaultOptions(dir)
	options.SyncAlways = false
	server, err := embedded.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Close(context.WithoutCancel(ctx))) }()
	nc, err := server.Connect("bench")
	if err != nil {
		return nil, err
	}
	store, err := streams.Open(ctx, nc, streams.Options{})
	if err != nil {
		return nil, err
	}
	defer store.Close()
	project, err := fill(ctx, store, history)
	if err != nil {
		return nil, err
	}
	return timeLists(ctx, store, filepath.Join(dir, "index.db"), project)
}

func timeLists(ctx context.Context, store *streams.Store, path, project string) (times samples, err error) {
	records, err := index.Open(path, store, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	running.Go(func() { _ = records.Run(ctx) })
	if err := records.Ready(ctx); err != nil {
		return nil, err
	}
	const key = "the-key-of-the-benchmark"
	if err := store.PutKey(ctx, key, "bench", streams.RoleAdmin, ""); err != nil {
		return nil, err
	}
	api, err := gateway.New(gateway.Options{Store: store, Index: records})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer func() { _ = api.Close() }()
	running.Go(func() { _ = api.Serve(listener) })
	c, err := client.New(client.Options{URL: "http://" + listener.Addr().String(), Key: key})
	if err != nil {
		return nil, err
	}
	list := func() error {
		page, err := c.Invocations(ctx, client.Function{Project: project, Version: "latest", Name: "f"}, client.ListOptions{})
		if err == nil && len(page.Invocations) != 50 {
			err = errors.New("the list does not have 50 entries")
		}
		return err
	}
	if _, err := repeat(50, list); err != nil {
		return nil, err
	}
	return repeat(1000, list)
}

// fill deploys a function and accepts invocations of it, with their records.
func fill(ctx context.Context, store *streams.Store, history int) (string, error) {
	p, v, err := deployBare(ctx, store)
	if err != nil {
		return "", err
	}
	return p.Name, acceptMany(ctx, store, p, v.ID, history)
}

// deployBare deploys a function without code.
func deployBare(ctx context.Context, store *streams.Store) (multinode.Project, multinode.Version, error) {
	p, err := store.CreateProject(ctx, "bench")
	if err != nil {
		return p, multinode.Version{}, err
	}
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: p.Name, Generation: p.Generation, CreatedAt: time.Now().UTC(),
		State:     multinode.VersionReady,
		Functions: []multinode.FunctionSpec{{Name: "f", CPU: 1, MemoryGiB: 1, MaxConcurrency: 1, Timeout: time.Hour}},
	}
	if err := store.CreateVersion(ctx, v, nil); err != nil {
		return p, v, err
	}
	if err := store.Activate(ctx, v); err != nil {
		return p, v, err
	}
	_, err = store.UpdateProject(ctx, p.Name, p.Generation, func(p *multinode.Project) error { p.LatestVersion = v.ID; return nil })
	return p, v, err
}

// acceptMany accepts so many invocations, and makes their records.
func acceptMany(ctx context.Context, store *streams.Store, p multinode.Project, version string, count int) (err error) {
	const writers = 32
	failures := make(chan error, writers)
	for w := range writers {
		go func() {
			for i := w; i < count; i += writers {
				if err := accept(ctx, store, p, version); err != nil {
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	for range writers {
		err = errors.Join(err, <-failures)
	}
	return err
}

func accept(ctx context.Context, store *streams.Store, p multinode.Project, version string) error {
	r := streams.Request{
		Key:     multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: "f", ID: multinode.NewID(multinode.InvocationPrefix)},
		Version: version, Input: []byte("[[], {}]"),
	}
	sequence, err := store.Accept(ctx, r)
	if err != nil {
		return err
	}
	r.Sequence, r.Time = sequence, time.Now()
	_, _, err = store.EnsureRecord(ctx, r)
	return err
}
