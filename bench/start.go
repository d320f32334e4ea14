package main

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode/client"
	"multinode/wire"
)

const startFor = 4 * time.Second

// measureStart times POST …/invocations. Its floor is what it cannot do without,
// one after the other, by as many clients: a publish acknowledged by JetStream,
// synced to the same disk, and an authenticated request to the same HTTP server
// that does nothing else.
func measureStart(ctx context.Context, r *report) error {
	s, err := startSystem(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	js, err := jetstream.New(s.nats)
	if err != nil {
		return err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "bench", Subjects: []string{"bench.>"}, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1, DiscardNewPerSubject: true,
	})
	if err != nil {
		return err
	}
	input := []byte(`[[1, 2], {"x": 3}]`)
	var n atomic.Int64
	publish := func() error {
		_, err := js.Publish(ctx, "bench."+strconv.FormatInt(n.Add(1), 10), input)
		return err
	}
	nothing := func() error {
		_, err := s.api.Project(ctx, s.project)
		return err
	}
	// The one slot of the function is taken: what is measured is acceptance.
	blocker := client.Function{Project: s.project, Version: "latest", Name: "block"}
	start := func() error {
		_, err := s.api.Start(ctx, blocker, wire.InvocationDefinition{Input: string(input)}, "")
		return err
	}
	both := func() error {
		if err := publish(); err != nil {
			return err
		}
		return nothing()
	}
	for _, clients := range []int{1, 16, 64} {
		floor, err := concurrently(clients, startFor, both)
		if err != nil {
			return err
		}
		got, err := concurrently(clients, startFor, start)
		if err != nil {
			return err
		}
		r.against("start, "+strconv.Itoa(clients)+" clients", got.samples, floor.samples, 1.5)
		r.line("%-34s %.0f starts/s, floor %.0f/s, floor p99 %s", "", got.perSecond(), floor.perSecond(), short(floor.samples.quantile(0.99)))
	}
	return nil
}
