package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// leaderMessage is a stored message as the stream's leader has it.
type leaderMessage struct {
	Sequence uint64 `json:"seq"`
	Data     []byte `json:"data"`
}

// leaderGet reads the last message on a subject from the stream's leader. Reads
// by the jetstream package may be answered by a replica that lags behind, which
// is no ground for stopping a worker or refusing a change.
func (s *Store) leaderGet(ctx context.Context, stream, subject string) (leaderMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"last_by_subj": subject})
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
