package streams

import (
	"context"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// Yield is an intermediate output of an execution.
type Yield struct {
	Execution string
	// Output is jsonpickle text.
	Output []byte
	Time   time.Time
}

// PutYield stores an execution's latest yield over the one before.
func (s *Store) PutYield(ctx context.Context, k multinode.ExecutionKey, output []byte) error {
	_, err := s.js.Publish(ctx, kvSubject(yieldsBucket, ExecutionKeyName(k)), output, jetstream.WithRetryAttempts(0))
	return classify("store the yield", err)
}

// LatestYield returns an execution's latest yield and when it was stored, or
// ErrNotFound.
func (s *Store) LatestYield(ctx context.Context, k multinode.ExecutionKey) ([]byte, time.Time, error) {
	m, err := s.yieldsStream.GetLastMsgForSubject(ctx, kvSubject(yieldsBucket, ExecutionKeyName(k)))
	if err != nil {
		return nil, time.Time{}, classify("read the yield", err)
	}
	return m.Data, m.Time, nil
}

// YieldNotices returns a channel that gets a coalesced notice for each yield of
// the invocation stored from now on, and a function that ends them. All listeners
// share one consumer.
func (s *Store) YieldNotices(k multinode.InvocationKey) (<-chan struct{}, func(), error) {
	return s.yieldNotices.listen(InvocationKeyName(k))
}

func (s *Store) tailYields(running context.Context) error {
	return s.tail(running, s.yieldsStream, kvSubject(yieldsBucket, ""), func(k multinode.ExecutionKey) {
		s.yieldNotices.notify(InvocationKeyName(k.Invocation))
	})
}

// WatchYields returns the latest yield of each of an invocation's executions,
// then new ones as they come, until ctx ends, which closes the channel.
func (s *Store) WatchYields(ctx context.Context, k multinode.InvocationKey) (<-chan Yield, error) {
	prefix := kvSubject(yieldsBucket, InvocationKeyName(k)) + "."
	yields := make(chan Yield)
	err := s.follow(ctx, "KV_"+yieldsBucket, jetstream.ConsumerConfig{
		FilterSubjects: []string{prefix + "*"}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	}, func(m stored) {
		execution, err := FromToken(strings.TrimPrefix(m.Subject, prefix))
		if err != nil {
			return
		}
		select {
		case yields <- Yield{Execution: execution, Output: m.Data, Time: m.Time}:
		case <-ctx.Done():
		}
	}, func() { close(yields) })
	return yields, err
}
