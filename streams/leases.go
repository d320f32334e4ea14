package streams

import (
	"context"
	"encoding/json"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
)

// leasesPatience is how long dispatchers are given to say what they hold.
const leasesPatience = time.Second

// maxAsked bounds the invocations in one question.
const maxAsked = 1000

// LeasesHeld asks all dispatchers which of the invocations they hold the lease of.
// It takes a second: nobody knows how many dispatchers there are. One that does not
// answer in time is taken to hold none.
func (s *Store) LeasesHeld(ctx context.Context, keys []multinode.InvocationKey) (map[multinode.InvocationKey]bool, error) {
	held := map[multinode.InvocationKey]bool{}
	inbox := nats.NewInbox()
	answers := make(chan *nats.Msg, 64)
	sub, err := s.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, classify("ask who holds leases", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for rest := keys; len(rest) > 0; {
		n := min(len(rest), maxAsked)
		question, err := json.Marshal(rest[:n])
		if err != nil {
			return nil, err
		}
		if err := s.nc.PublishRequest(leaseSubject, inbox, question); err != nil {
			return nil, classify("ask who holds leases", err)
		}
		rest = rest[n:]
	}
	patience := time.NewTimer(leasesPatience)
	defer patience.Stop()
	for {
		select {
		case m := <-answers:
			var said []multinode.InvocationKey
			if json.Unmarshal(m.Data, &said) == nil { // which the word that nobody listens is not
				for _, k := range said {
					held[k] = true
				}
			}
		case <-patience.C:
			return held, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ServeLeases answers such questions until ctx ends. It returns once it listens.
// holds must not block.
func (s *Store) ServeLeases(ctx context.Context, holds func(multinode.InvocationKey) bool) error {
	sub, err := s.nc.Subscribe(leaseSubject, func(m *nats.Msg) {
		var asked []multinode.InvocationKey
		if json.Unmarshal(m.Data, &asked) != nil {
			return
		}
		var held []multinode.InvocationKey
		for _, k := range asked {
			if holds(k) {
				held = append(held, k)
			}
		}
		if len(held) == 0 {
			return
		}
		answer, err := json.Marshal(held)
		if err == nil {
			err = m.Respond(answer)
		}
		if err != nil {
			s.log.Warn("what leases are held was not told", "error", err)
		}
	})
	if err != nil {
		return classify("tell what leases are held", err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}
