package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// directGet reads the last message on a subject of a stream that this package
// has no handle of: getting one would cost another question.
func (s *Store) directGet(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	m, err := s.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+stream+"."+subject, nil)
	if errors.Is(err, nats.ErrNoResponders) {
		// There is no such stream, or nobody to ask: the question tells which.
		_, err = s.js.Stream(ctx, stream)
		if err == nil {
			err = nats.ErrNoResponders
		}
	}
	if err != nil {
		return nil, classify("read from "+stream, err)
	}
	if status := m.Header.Get("Status"); status == "404" {
		return nil, ErrNotFound
	} else if status != "" {
		return nil, fmt.Errorf("read from %s: %s %s", stream, status, m.Header.Get("Description"))
	}
	sequence, err := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read from %s: the sequence is unreadable: %w", stream, err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if err != nil {
		return nil, fmt.Errorf("read from %s: the time is unreadable: %w", stream, err)
	}
	return &jetstream.RawStreamMsg{Subject: subject, Sequence: sequence, Header: m.Header, Data: m.Data, Time: at}, nil
}

// leaderMessage is a stored message as the stream's leader has it.
type leaderMessage struct {
	Sequence uint64    `json:"seq"`
	Header   []byte    `json:"hdrs"`
	Data     []byte    `json:"data"`
	Time     time.Time `json:"time"`
}

// surely gives the word of the stream's leader where a read found nothing that a
// replica may have answered: it may not have got so far.
func (s *Store) surely(ctx context.Context, stream, subject string, m *jetstream.RawStreamMsg, err error) (*jetstream.RawStreamMsg, error) {
	if !isNotFound(err) || s.options.Replicas == 1 {
		return m, err
	}
	last, err := s.leaderGet(ctx, stream, subject)
	if err != nil {
		return nil, err
	}
	m = &jetstream.RawStreamMsg{Subject: subject, Sequence: last.Sequence, Data: last.Data, Time: last.Time}
	if len(last.Header) > 0 {
		h, err := nats.DecodeHeadersMsg(last.Header)
		if err != nil {
			return nil, fmt.Errorf("read from %s: %w", stream, err)
		}
		m.Header = h
	}
	return m, nil
}

// leaderGet reads the last message on a subject from the stream's leader. Reads
// by the jetstream package may be answered by a replica that lags behind, which
// is no ground for stopping a worker or refusing a change.
func (s *Store) leaderGet(ctx context.Context, stream, subject string) (leaderMessage, error) {
	return s.leaderAsk(ctx, stream, map[string]any{"last_by_subj": subject})
}

// leaderNext returns the sequence of the first message from one on that the stream's
// leader has, or ErrNotFound.
func (s *Store) leaderNext(ctx context.Context, stream string, from uint64) (uint64, error) {
	m, err := s.leaderAsk(ctx, stream, map[string]any{"seq": from, "next_by_subj": ">"})
	return m.Sequence, err
}

func (s *Store) leaderAsk(ctx context.Context, stream string, question map[string]any) (leaderMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return leaderMessage{}, err
	}
	m, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, body)
	if err != nil {
		return leaderMessage{}, classify("read from the leader", err)
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message leaderMessage       `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return leaderMessage{}, fmt.Errorf("read from the leader: %w", err)
	}
	if answer.Error != nil {
		if errors.Is(answer.Error, jetstream.ErrMsgNotFound) || answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return leaderMessage{}, ErrNotFound
		}
		return leaderMessage{}, classify("read from the leader", answer.Error)
	}
	return answer.Message, nil
}

// readFromLeader makes all reads of a replicated stream, which is read seldom, go
// to its leader. Handles that were opened before do not know of it.
func (s *Store) readFromLeader(ctx context.Context, name string) error {
	stream, err := s.js.Stream(ctx, name)
	if err != nil {
		return err
	}
	c := stream.CachedInfo().Config
	if c.Replicas == 1 || !c.AllowDirect {
		return nil
	}
	c.AllowDirect = false
	_, err = s.js.UpdateStream(ctx, c)
	return err
}
