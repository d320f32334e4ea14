package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// outcomeHeader is what of an outcome is not its output. It travels in a header
// so that the output can be the body, raw.
type outcomeHeader struct {
	Kind  multinode.OutcomeKind `json:"kind"`
	Error string                `json:"error,omitempty"`
	// NoOutput tells no output from an empty one.
	NoOutput bool `json:"no_output,omitempty"`
}

func outcomeMessage(k multinode.ExecutionKey, o multinode.Outcome) (*nats.Msg, error) {
	if !o.Kind.Valid() {
		return nil, fmt.Errorf("unknown kind of outcome %q", o.Kind)
	}
	header, err := json.Marshal(outcomeHeader{Kind: o.Kind, Error: boundedError(o.Error), NoOutput: o.Output == nil})
	if err != nil {
		return nil, err
	}
	m := nats.NewMsg(kvSubject(outcomesBucket, ExecutionKeyName(k)))
	m.Header.Set(headerOutcome, string(header))
	m.Data = o.Output
	return m, nil
}

func parseOutcome(h nats.Header, body []byte) (multinode.Outcome, error) {
	var header outcomeHeader
	if err := json.Unmarshal([]byte(h.Get(headerOutcome)), &header); err != nil {
		return multinode.Outcome{}, fmt.Errorf("the stored outcome is unreadable: %w", err)
	}
	if !header.Kind.Valid() {
		return multinode.Outcome{}, fmt.Errorf("the stored outcome has the unknown kind %q", header.Kind)
	}
	o := multinode.Outcome{Kind: header.Kind, Output: body, Error: header.Error}
	if header.NoOutput {
		o.Output = nil
	}
	return o, nil
}

// maxHeaderError bounds an error text in a header, in bytes as JSON: JetStream
// takes headers of at most 64 KiB, and the longest error may need more than that
// in some scripts.
const maxHeaderError = 56 << 10

func boundedError(text string) string {
	for {
		data, err := json.Marshal(text)
		if err != nil || len(data) <= maxHeaderError {
			return text
		}
		runes := []rune(text)
		text = string(runes[:len(runes)*9/10]) + "…"
	}
}

// PutOutcome stores an execution's outcome unless one is stored already: the
// first one put counts, for everybody. It returns the one that counts, and
// whether that is this one.
func (s *Store) PutOutcome(ctx context.Context, k multinode.ExecutionKey, o multinode.Outcome) (multinode.Outcome, bool, error) {
	m, err := outcomeMessage(k, o)
	if err != nil {
		return o, false, err
	}
	_, err = s.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0))
	var api *jetstream.APIError
	if err == nil {
		return o, true, nil
	}
	if errors.As(err, &api) && api.ErrorCode == codeStoreFailed && subjectTaken(api.Description) {
		stored, _, err := s.Outcome(ctx, k)
		return stored, false, err
	}
	return o, false, classify("store the outcome", err)
}

// Outcome returns the outcome of an execution and when it was stored, or
// ErrNotFound.
func (s *Store) Outcome(ctx context.Context, k multinode.ExecutionKey) (multinode.Outcome, time.Time, error) {
	subject := kvSubject(outcomesBucket, ExecutionKeyName(k))
	m, err := s.outcomesStream.GetLastMsgForSubject(ctx, subject)
	if m, err = s.surely(ctx, "KV_"+outcomesBucket, subject, m, classify("read the outcome", err)); err != nil {
		return multinode.Outcome{}, time.Time{}, err
	}
	o, err := parseOutcome(m.Header, m.Data)
	if err != nil {
		// Whatever a worker wrote there ends its execution all the same.
		s.log.Error("an outcome is unreadable", "execution_id", k.ID, "error", err)
		o = multinode.Outcome{Kind: multinode.OutcomeFailed, Error: err.Error()}
	}
	return o, m.Time, nil
}

// FollowOutcomes calls seen for each execution whose outcome is stored from now
// on, until ctx ends. It says that there is one, not what it is.
func (s *Store) FollowOutcomes(ctx context.Context, seen func(multinode.ExecutionKey)) error {
	return s.tail(ctx, s.outcomesStream, kvSubject(outcomesBucket, ""), seen)
}

// tail calls seen for the key of each message stored from now on, until ctx
// ends. It returns once it follows.
func (s *Store) tail(ctx context.Context, stream jetstream.Stream, prefix string, seen func(multinode.ExecutionKey)) error {
	info, err := stream.Info(ctx)
	if err != nil {
		return classify("follow executions", err)
	}
	// By sequence: "new" would be newer still after a reconnect, and leave a gap.
	config := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: info.State.LastSeq + 1, HeadersOnly: true,
	}
	return s.follow(ctx, info.Config.Name, config, func(m stored) {
		if k, err := ParseExecutionKey(strings.TrimPrefix(m.Subject, prefix)); err == nil {
			seen(k)
		}
	}, func() {})
}
