package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// Slots returns how many requests of a function are delivered and not acked, and
// how many may be. There may be more than that where the quota was lowered: what
// had been delivered before is delivered again all the same. It returns ErrNotFound
// where the function has no consumer.
func (s *Store) Slots(ctx context.Context, k multinode.InvocationKey) (taken, limit int, err error) {
	info, err := s.dispatching(ctx, k)
	if err != nil {
		return 0, 0, err
	}
	return info.NumAckPending, info.Config.MaxAckPending, nil
}

// Recall has a request delivered again after the delay, to any dispatcher, where it
// was delivered and whoever got it is gone: nobody need wait for its lease to run
// out. A request that is not delivered, or acked, stays as it is. Where its owner
// lives after all there are two leases on it, which is harmless.
func (s *Store) Recall(ctx context.Context, k multinode.InvocationKey, sequence uint64, delay time.Duration) error {
	info, err := s.dispatching(ctx, k)
	if err != nil {
		if isNotFound(err) {
			return nil
		}
		return err
	}
	if info.NumAckPending == 0 || sequence > info.Delivered.Stream {
		return nil // it has yet to come for the first time
	}
	// The server looks the request up by its sequence in the stream; that of the
	// delivery has only to be one that it knows.
	subject := fmt.Sprintf("$JS.ACK.%s.%s.1.%d.%d.%d.0",
		info.Stream, consumerName, sequence, info.Delivered.Consumer, time.Now().UnixNano())
	return classify("recall the request", s.nc.Publish(subject, fmt.Appendf(nil, `-NAK {"delay": %d}`, max(delay, time.Millisecond))))
}

// dispatching returns the state of the consumer that a function's requests are
// delivered by.
func (s *Store) dispatching(ctx context.Context, k multinode.InvocationKey) (*jetstream.ConsumerInfo, error) {
	consumer, err := s.js.Consumer(ctx, requestStream(k.Project, k.Generation, k.Function), consumerName)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, fmt.Errorf("look at the requests: %w", ErrNotFound)
	}
	if err != nil {
		return nil, classify("look at the requests", err)
	}
	return consumer.CachedInfo(), nil
}
