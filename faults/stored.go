package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/streams"
)

const (
	recordsStream  = "KV_mn-invocations"
	recordsPrefix  = "$KV.mn-invocations."
	requestStreams = "mn-invoke-"
	consumerName   = "dispatch"
)

// keepHistory has every state of every record kept, so that the whole run can be
// looked at in the end.
func keepHistory(ctx context.Context, nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	stream, err := js.Stream(ctx, recordsStream)
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	config.MaxMsgsPerSubject = 1 << 20
	_, err = js.UpdateStream(ctx, config)
	return err
}

// change is one state of a record, in the order of all changes.
type change struct {
	key      multinode.InvocationKey
	sequence uint64
	record   multinode.Invocation
}

// request is one that was accepted.
type request struct {
	key  multinode.InvocationKey
	body []byte
}

// stored is all that there is to look at when the system is at rest.
type stored struct {
	history  []change
	latest   map[string]change // by invocation ID
	requests []request
}

// busy tells in words what is not at rest yet.
func (s stored) busy() []string {
	var busy []string
	for id, c := range s.latest {
		if !c.record.Status.Terminal() {
			busy = append(busy, fmt.Sprintf("%s of %s/%s is %s (%+v)", id, c.key.Project, c.key.Function, c.record.Status, c.record.Executions))
		}
	}
	for _, r := range s.requests {
		if _, ok := s.latest[r.key.ID]; !ok {
			busy = append(busy, fmt.Sprintf("%s of %s/%s was accepted and has no record", r.key.ID, r.key.Project, r.key.Function))
		}
	}
	return busy
}

// look reads everything.
func look(ctx context.Context, nc *nats.Conn) (stored, error) {
	s := stored{latest: map[string]change{}}
	js, err := jetstream.New(nc)
	if err != nil {
		return s, err
	}
	err = each(ctx, js, recordsStream, func(m jetstream.Msg, sequence uint64) error {
		if len(m.Data()) == 0 {
			return nil // the marker of a project that has gone
		}
		key, err := streams.ParseInvocationKey(strings.TrimPrefix(m.Subject(), recordsPrefix))
		if err != nil {
			return err
		}
		c := change{key: key, sequence: sequence}
		if err := json.Unmarshal(m.Data(), &c.record); err != nil {
			return err
		}
		s.history = append(s.history, c)
		s.latest[key.ID] = c
		return nil
	})
	if err != nil {
		return s, err
	}
	return s, eachRequestStream(ctx, js, func(info *jetstream.StreamInfo) error { return s.lookAtRequests(ctx, js, info) })
}

func eachRequestStream(ctx context.Context, js jetstream.JetStream, do func(*jetstream.StreamInfo) error) error {
	lister := js.ListStreams(ctx)
	var failure error
	for info := range lister.Info() {
		if failure == nil && strings.HasPrefix(info.Config.Name, requestStreams) {
			failure = do(info)
		}
	}
	return errors.Join(failure, lister.Err())
}

// leases names what is undelivered or not acknowledged.
func leases(ctx context.Context, nc *nats.Conn) (open []string, err error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	err = eachRequestStream(ctx, js, func(info *jetstream.StreamInfo) error {
		consumer, err := js.Consumer(ctx, info.Config.Name, consumerName)
		if err != nil {
			return fmt.Errorf("the consumer of %s: %w", info.Config.Name, err)
		}
		if state := consumer.CachedInfo(); state.NumPending > 0 || state.NumAckPending > 0 {
			open = append(open, fmt.Sprintf("%s: %d undelivered, %d not acknowledged (acknowledged up to %d of %d, delivered up to %d, %d pulls wait)", info.Config.Name,
				state.NumPending, state.NumAckPending, state.AckFloor.Stream, info.State.LastSeq, state.Delivered.Stream, state.NumWaiting))
		}
		return nil
	})
	return open, err
}

func (s *stored) lookAtRequests(ctx context.Context, js jetstream.JetStream, info *jetstream.StreamInfo) error {
	generation, _, _ := strings.Cut(strings.TrimPrefix(info.Config.Name, requestStreams), "-")
	return each(ctx, js, info.Config.Name, func(m jetstream.Msg, _ uint64) error {
		tokens := strings.Split(m.Subject(), ".") // mn.invoke.PROJECT.FUNCTION.ID
		if len(tokens) != 5 {
			return nil // retired: it is on its way out
		}
		s.requests = append(s.requests, request{
			key:  multinode.InvocationKey{Project: tokens[2], Generation: generation, Function: tokens[3], ID: tokens[4]},
			body: m.Data(),
		})
		return nil
	})
}

// each reads a stream from its beginning to its end.
func each(ctx context.Context, js jetstream.JetStream, name string, do func(jetstream.Msg, uint64) error) error {
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return err
	}
	left := stream.CachedInfo().State.Msgs
	if left == 0 {
		return nil
	}
	consumer, err := js.OrderedConsumer(ctx, name, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if err := do(m, meta.Sequence.Stream); err != nil {
			return err
		}
		if meta.Sequence.Stream >= last || meta.NumPending == 0 {
			return nil
		}
	}
}
