package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode/client"
	"multinode/streams"
	"multinode/wire"
)

const queuedRuns = 40

// measureSlot times, with a queue behind the only slot of a function, from the
// record that says that one invocation ended to the one that says that the next
// has an execution, by the server's own time stamps. Its floor is an
// acknowledgement with the delivery that it makes room for, and two writes by
// compare and set on the same disk.
func measureSlot(ctx context.Context, r *report) error {
	s, err := startSystem(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	floor, err := slotFloor(ctx, s)
	if err != nil {
		return err
	}
	store, err := streams.Open(ctx, s.nats, streams.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	before, err := store.RecordsRevision(ctx)
	if err != nil {
		return err
	}
	for range queuedRuns {
		queued := client.Function{Project: s.project, Version: "latest", Name: "queued"}
		if _, err := s.api.Start(ctx, queued, wire.InvocationDefinition{Input: `[[], {}]`}, ""); err != nil {
			return err
		}
	}
	got, err := slotTimes(ctx, store, before)
	if err != nil {
		return err
	}
	r.against("end of one to intent of the next", got, floor, 3)
	return nil
}

var errAllEnded = errors.New("all have ended")

func slotTimes(ctx context.Context, store *streams.Store, after uint64) (samples, error) {
	var (
		times samples
		freed time.Time
		seen  = map[string]bool{}
		ended int
	)
	err := store.Changes(ctx, after, func(changes []streams.Change) error {
		for _, c := range changes {
			switch {
			case c.Record == nil:
			case c.Record.Status.Terminal():
				freed = c.At
				if ended++; ended == queuedRuns {
					return errAllEnded
				}
			case len(c.Record.Executions) > 0 && !seen[c.Key.ID]:
				if seen[c.Key.ID] = true; !freed.IsZero() {
					times = append(times, c.At.Sub(freed))
				}
			}
		}
		return nil
	})
	if errors.Is(err, errAllEnded) {
		err = nil
	}
	return times, err
}

// slotFloor does with bare JetStream what has to be done between two invocations.
func slotFloor(ctx context.Context, s *system) (samples, error) {
	js, err := jetstream.New(s.nats)
	if err != nil {
		return nil, err
	}
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "bench", Storage: jetstream.FileStorage})
	if err != nil {
		return nil, err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "bench", Subjects: []string{"bench.>"}, Storage: jetstream.FileStorage})
	if err != nil {
		return nil, err
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "bench", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 1})
	if err != nil {
		return nil, err
	}
	for i := range queuedRuns + 1 {
		if _, err := js.Publish(ctx, "bench."+strconv.Itoa(i), []byte("some input")); err != nil {
			return nil, err
		}
	}
	deliveries, err := consumer.Messages()
	if err != nil {
		return nil, err
	}
	defer deliveries.Stop()
	held, err := deliveries.Next()
	if err != nil {
		return nil, err
	}
	return repeat(queuedRuns, func() error {
		if err := held.Ack(); err != nil {
			return err
		}
		if held, err = deliveries.Next(); err != nil {
			return err
		}
		revision, err := kv.Put(ctx, "key", []byte("some value"))
		if err == nil {
			_, err = kv.Update(ctx, "key", []byte("another value"), revision)
		}
		return err
	})
}
