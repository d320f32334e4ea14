package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// registryBucket is where versions are stored, as version.PROJECT.GENERATION.ID.
const registryBucket = "mn-registry"

// plant stores a version of a generation that has gone, as a process does that was
// suspended before the write, and killed right after it.
func (r *run) plant(ctx context.Context, project string) {
	v := multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: project, Generation: multinode.NewGeneration(),
		State: multinode.VersionFailed, CreatedAt: time.Now().UTC(),
	}
	data, err := json.Marshal(v)
	if err != nil {
		r.violation("the suite could not plant a version: %v", err)
		return
	}
	err = r.load.insist(ctx, func(ctx context.Context) error {
		registry, err := r.registry(ctx)
		if err != nil {
			return err
		}
		_, err = registry.Put(ctx, strings.Join([]string{"version", project, v.Generation, v.ID}, "."), data)
		return err
	})
	if err == nil {
		r.planted.Store(v.Generation, true)
		r.fault("a version stored after its project had gone")
	}
}

func (r *run) registry(ctx context.Context) (jetstream.KeyValue, error) {
	js, err := jetstream.New(r.nats)
	if err != nil {
		return nil, err
	}
	return js.KeyValue(ctx, registryBucket)
}

// noStrays waits until all that was planted has been removed.
func (r *run) noStrays(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goPatience)
	defer cancel()
	for {
		left, err := r.strays(ctx)
		if err == nil && len(left) == 0 {
			return
		}
		if ctx.Err() != nil {
			r.violation("of projects that have gone there is still %s (%v)", strings.Join(left, ", "), err)
			return
		}
		wait(ctx, time.Second)
	}
}

func (r *run) strays(ctx context.Context) (left []string, err error) {
	registry, err := r.registry(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := registry.ListKeysFiltered(ctx, "version.>")
	if err != nil {
		return nil, fmt.Errorf("list the versions: %w", err)
	}
	for key := range keys.Keys() {
		if _, planted := r.planted.Load(strings.Split(key, ".")[2]); planted {
			left = append(left, key)
		}
	}
	return left, nil
}
