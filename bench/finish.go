package main

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/client"
	"multinode/streams"
)

const finishes = 40

// measureFinish times from the moment at which the server received the worker's
// outcome, by the server's own time stamp, to a client that waits for it. Its floor is one request to the same HTTP
// server and two puts into a bucket on the same disk.
func measureFinish(ctx context.Context, r *report) error {
	s, err := startSystem(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	js, err := jetstream.New(s.nats)
	if err != nil {
		return err
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "bench", Storage: jetstream.FileStorage})
	if err != nil {
		return err
	}
	store, err := streams.Open(ctx, s.nats, streams.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	project, err := store.Project(ctx, s.project)
	if err != nil {
		return err
	}
	later := client.Function{Project: s.project, Version: "latest", Name: "later"}
	var got, floor samples
	for i := range finishes + 1 {
		bare, err := repeat(1, func() error {
			for put := range 2 {
				if _, err := kv.Put(ctx, "key."+strconv.Itoa(2*i+put), []byte("some value")); err != nil {
					return err
				}
			}
			_, err := s.api.Project(ctx, s.project)
			return err
		})
		if err != nil {
			return err
		}
		done, err := s.run(ctx, later)
		returned := time.Now()
		if err != nil {
			return err
		}
		key := multinode.InvocationKey{Project: project.Name, Generation: project.Generation, Function: later.Name, ID: done.InvocationID}
		_, ended, err := store.Outcome(ctx, key.Execution(done.Executions[0].ExecutionID))
		if err != nil {
			return err
		}
		if i > 0 {
			floor = append(floor, bare...)
			got = append(got, returned.Sub(ended))
		}
	}
	r.against("outcome put to waiting client", got, floor, 2)
	return nil
}
