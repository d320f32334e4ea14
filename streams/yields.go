package streams

import (
	"context"
	"strings"
	"sync"
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
	err := s.follow(ctx, "KV_"+yieldsBucket, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{prefix + "*"}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy,
	}, func(m jetstream.Msg) {
		execution, err := FromToken(strings.TrimPrefix(m.Subject(), prefix))
		if err != nil {
			return
		}
		y := Yield{Execution: execution, Output: m.Data()}
		if meta, err := m.Metadata(); err == nil {
			y.Time = meta.Timestamp
		}
		select {
		case yields <- y:
		case <-ctx.Done():
		}
	}, func() { close(yields) })
	return yields, err
}

// follow hands the messages of an ordered consumer to each, one at a time, until
// ctx ends, and then calls done once, and nothing after it; each must return when
// ctx ends. Where it returns an error it called neither.
func (s *Store) follow(ctx context.Context, stream string, config jetstream.OrderedConsumerConfig, each func(jetstream.Msg), done func()) error {
	consumer, err := s.js.OrderedConsumer(ctx, stream, config)
	if err != nil {
		return classify("follow "+stream, err)
	}
	// A message may still come after the consuming has ended.
	var handling sync.Mutex
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		handling.Lock()
		defer handling.Unlock()
		if ctx.Err() == nil {
			each(m)
		}
	})
	if err != nil {
		return classify("follow "+stream, err)
	}
	context.AfterFunc(ctx, func() {
		consuming.Stop()
		handling.Lock()
		defer handling.Unlock()
		done()
	})
	return nil
}
