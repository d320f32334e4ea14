package streams

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/internal/failpoint"
)

// RequestCancel asks for an invocation's end. When it returns without an error
// that is stored; a hint then goes out to whoever runs it or a descendant. It
// may be repeated. It returns multinode.ErrTerminal where the invocation has
// ended, and ErrNotFound.
func (s *Store) RequestCancel(ctx context.Context, k multinode.InvocationKey) (multinode.Invocation, uint64, error) {
	return s.requestCancel(ctx, k, nil)
}

// PassCancelOn is RequestCancel for one of many whose end follows from something
// else: a cancelled ancestor, or an undeploy. What somebody asked for goes first.
func (s *Store) PassCancelOn(ctx context.Context, k multinode.InvocationKey) (multinode.Invocation, uint64, error) {
	return s.requestCancel(ctx, k, passedOn)
}

// passedOn is what a hint says of a cancel that nobody asked for by itself.
var passedOn = []byte("passed on")

func (s *Store) requestCancel(ctx context.Context, k multinode.InvocationKey, hint []byte) (multinode.Invocation, uint64, error) {
	record, revision, err := s.Record(ctx, k)
	if err != nil {
		return record, revision, err
	}
	record, revision, err = s.ApplyTo(ctx, k, &record, revision, multinode.CancelRequested{At: s.now()})
	if err != nil && !errors.Is(err, multinode.ErrTerminal) {
		return record, revision, err
	}
	failpoint.Hit("streams.cancel_stored")
	s.hintCancel(k, hint)
	return record, revision, err
}

// HintCancel tells all dispatchers to look at an invocation and its descendants.
// Hints may get lost; nothing relies on them.
func (s *Store) HintCancel(k multinode.InvocationKey) { s.hintCancel(k, nil) }

func (s *Store) hintCancel(k multinode.InvocationKey, hint []byte) {
	if err := s.nc.Publish(cancelSubjects+"."+InvocationKeyName(k), hint); err != nil {
		s.log.Warn("a cancel was not announced", "invocation_id", k.ID, "error", err)
	}
}

// FollowCancels calls seen for every hint until ctx ends, and says whether the cancel
// was passed on. seen must not block.
func (s *Store) FollowCancels(ctx context.Context, seen func(k multinode.InvocationKey, passed bool)) error {
	sub, err := s.nc.Subscribe(cancelSubjects+".>", func(m *nats.Msg) {
		if k, err := ParseInvocationKey(m.Subject[len(cancelSubjects)+1:]); err == nil {
			seen(k, len(m.Data) > 0)
		}
	})
	if err != nil {
		return classify("follow the cancels", err)
	}
	context.AfterFunc(ctx, func() { _ = sub.Unsubscribe() })
	return nil
}
