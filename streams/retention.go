package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/internal/failpoint"
)

// ErrUnfinished means that an invocation has not ended.
var ErrUnfinished = errors.New("the invocation has not ended")

// Forget removes all that is stored of an invocation that has ended, and
// ErrUnfinished of any other. It may be repeated, by several at once.
//
// The request goes first, so that nothing can make the record anew, and the
// record last, so that whatever a crash leaves is found again by it. Between
// them nothing can change: the leader has said that the record is terminal,
// which stays so. Only a new request with the same ID may write over it, and it
// differs in the sequence of its request and in the IDs of its executions, by
// which all is deleted here; the record then stays.
//
// What is left of the record is a marker that says which request it was of. It
// goes by itself, after MarkerLife.
func (s *Store) Forget(ctx context.Context, k multinode.InvocationKey) error {
	record, revision, err := s.CurrentRevision(ctx, k)
	switch {
	case isNotFound(err):
		return nil
	case err != nil:
		return err
	case !record.Status.Terminal():
		return ErrUnfinished
	}
	if err := s.deleteMessage(ctx, requestStream(k.Project, k.Generation, k.Function), record.Sequence); err != nil {
		return fmt.Errorf("delete the request: %w", err)
	}
	failpoint.Hit("streams.request_forgotten")
	for _, x := range record.Executions {
		x := k.Execution(x.ID)
		for _, each := range []struct{ stream, subject string }{
			{"KV_" + outcomesBucket, kvSubject(outcomesBucket, ExecutionKeyName(x))},
			{"KV_" + yieldsBucket, kvSubject(yieldsBucket, ExecutionKeyName(x))},
			{logsStream, logSubject(x)},
		} {
			if err := s.ask(ctx, "PURGE."+each.stream, map[string]string{"filter": each.subject}); err != nil {
				return fmt.Errorf("delete what an execution left: %w", err)
			}
		}
	}
	failpoint.Hit("streams.outputs_forgotten")
	m := nats.NewMsg(kvSubject(invocationsBucket, InvocationKeyName(k)))
	m.Header.Set("KV-Operation", "PURGE")
	m.Header.Set(headerUsed, strconv.FormatUint(record.Sequence, 10))
	_, err = s.js.PublishMsg(ctx, m, jetstream.WithMsgTTL(MarkerLife), jetstream.WithRetryAttempts(0),
		jetstream.WithExpectLastSequencePerSubject(revision))
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == codeWrongRevision || api.ErrorCode == codeWrongRevisionReplicated) {
		return nil // forgotten by another, or its ID is in use again
	}
	return classify("delete the record", err)
}

// Codes of JetStream's API.
const (
	codeWrongRevision           = 10071
	codeWrongRevisionReplicated = 10164
	codeNoSuchSequence          = 10043
	codeDeleteFailed            = 10057
	codeNoSuchStream            = 10059
)

// deleteMessage deletes a message that may be gone already.
func (s *Store) deleteMessage(ctx context.Context, stream string, sequence uint64) error {
	err := s.ask(ctx, "MSG.DELETE."+stream, map[string]any{"seq": sequence, "no_erase": true})
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return err
	}
	switch api.ErrorCode {
	case codeNoSuchSequence, codeNoSuchStream:
		return nil
	case codeDeleteFailed: // also where it is gone already
		gone := s.ask(ctx, "MSG.GET."+stream, map[string]uint64{"seq": sequence})
		if errors.As(gone, &api) && api.ErrorCode == jetstream.JSErrCodeMessageNotFound || isNotFound(gone) {
			return nil
		}
	}
	return err
}

// ask has the server do something with a stream that this package may have no
// handle of.
func (s *Store) ask(ctx context.Context, what string, question any) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	m, err := s.nc.RequestWithContext(ctx, "$JS.API.STREAM."+what, body)
	if err != nil {
		return classify("ask NATS", err)
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("ask NATS: %w", err)
	}
	if answer.Error != nil {
		return classify("ask NATS", answer.Error)
	}
	return nil
}

// letMarkersExpire makes a bucket's stream heed how long markers are to live.
func (s *Store) letMarkersExpire(ctx context.Context, stream jetstream.Stream) error {
	config := stream.CachedInfo().Config
	if config.AllowMsgTTL {
		return nil
	}
	config.AllowMsgTTL = true
	_, err := s.js.UpdateStream(ctx, config)
	return err
}

// usedBy reads from a marker's header of which request its record was.
func usedBy(header []byte) uint64 {
	h, err := nats.DecodeHeadersMsg(header)
	if err != nil {
		return 0
	}
	used, err := strconv.ParseUint(h.Get(headerUsed), 10, 64)
	if err != nil {
		return 0
	}
	return used
}

// compareUse tells whether events begin with the acceptance of a request that came
// after (1) or before (-1) the one that a record is of.
func compareUse(events []multinode.Event, record multinode.Invocation) int {
	sequence := acceptedSequence(events)
	switch {
	case sequence == 0 || record.Sequence == 0 || sequence == record.Sequence:
		return 0
	case sequence > record.Sequence:
		return 1
	}
	return -1
}

// usesAgain tells whether events begin with the acceptance of a request that came
// after the one whose record was deleted.
func usesAgain(events []multinode.Event, used uint64) bool {
	return used > 0 && acceptedSequence(events) > used
}

func acceptedSequence(events []multinode.Event) uint64 {
	if len(events) == 0 {
		return 0
	}
	accepted, _ := events[0].(multinode.Accepted)
	return accepted.Sequence
}

// Held returns how many bytes the invocations take: requests, records, yields and
// outcomes, those of unfinished ones included. Logs have a limit of their own.
func (s *Store) Held(ctx context.Context) (uint64, error) {
	var held uint64
	for offset := 0; ; {
		page, err := s.listRequestStreams(ctx, offset)
		if err != nil {
			return 0, err
		}
		for _, stream := range page.Streams {
			held += stream.State.Bytes
		}
		if offset += len(page.Streams); len(page.Streams) == 0 || offset >= page.Total {
			break
		}
	}
	for _, stream := range []jetstream.Stream{s.recordsStream, s.yieldsStream, s.outcomesStream} {
		info, err := stream.Info(ctx)
		if err != nil {
			return 0, classify("look how much is stored", err)
		}
		held += info.State.Bytes
	}
	return held, nil
}

// Limit returns how many bytes the server may store in all; 0 means any number.
func (s *Store) Limit() uint64 { return uint64(max(0, s.pressure.limit)) }
