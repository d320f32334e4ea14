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

// Request is a request to run a function, as it is stored in the function's
// stream.
type Request struct {
	Key multinode.InvocationKey
	// Version may be empty: then the one that served when it was stored counts.
	Version string
	Lineage []multinode.Ancestor
	// Input is jsonpickle text of [args, kwargs].
	Input []byte
	// Malformed says why the request cannot be run, where that is so, and is set
	// where requests are read. What is wrong is left out of the other fields.
	Malformed error
	// Follows tells that whoever stores the request makes its record, too.
	Follows bool
	// Sequence and Time are set by the stream.
	Sequence uint64
	Time     time.Time
}

// maxLineage bounds the lineage in a header, in bytes: JetStream takes headers
// of at most 64 KiB.
const maxLineage = 48 << 10

// ErrLineageTooLong means that the names of an invocation's ancestors do not fit
// beside the request.
var ErrLineageTooLong = errors.New("the names of the invocation's ancestors are too long together")

// Accept stores a request. From its return on the invocation may not be lost.
//
// It returns ErrDuplicate where the invocation's ID was used before, ErrFull
// where the store takes no more, ErrNotDeployed where nothing takes requests
// for the function, and ErrUnavailable where it is not known whether the
// request was stored: accepting it again with the same ID is safe.
func (s *Store) Accept(ctx context.Context, r Request) (uint64, error) {
	if s.pressure.full(len(r.Input)) {
		return 0, fmt.Errorf("store the request: %w", ErrFull)
	}
	m := nats.NewMsg(requestSubject(r.Key))
	m.Data = r.Input
	if r.Version != "" {
		m.Header.Set(headerVersion, r.Version)
	}
	if len(r.Lineage) > 0 {
		lineage, err := json.Marshal(r.Lineage)
		if err != nil {
			return 0, err
		}
		if len(lineage) > maxLineage {
			return 0, ErrLineageTooLong
		}
		m.Header.Set(headerLineage, string(lineage))
	}
	if r.Follows {
		m.Header.Set(headerRecord, recordFollows)
	}
	ack, err := s.js.PublishMsg(ctx, m, jetstream.WithRetryAttempts(0),
		jetstream.WithExpectStream(requestStream(r.Key.Project, r.Key.Generation, r.Key.Function)))
	var api *jetstream.APIError
	switch {
	case err == nil:
		s.pressure.add(len(r.Input))
		return ack.Sequence, nil
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, nats.ErrNoResponders):
		return 0, fmt.Errorf("%w: %w", ErrNotDeployed, err)
	case errors.As(err, &api) && api.ErrorCode == codeStoreFailed && subjectTaken(api.Description):
		return 0, ErrDuplicate
	case api != nil && api.ErrorCode == codeOtherStream: // a newer project's of this name
		return 0, fmt.Errorf("%w: %w", ErrNotDeployed, err)
	}
	return 0, classify("store the request", err)
}

// subjectTaken tells the two meanings of error 10077 apart: the subject has its
// one message, or the stream is full.
func subjectTaken(description string) bool {
	return strings.Contains(description, "per subject")
}

// Request returns the stored request of an invocation, or ErrNotFound.
func (s *Store) Request(ctx context.Context, k multinode.InvocationKey) (Request, error) {
	stream, subject := requestStream(k.Project, k.Generation, k.Function), requestSubject(k)
	m, err := s.directGet(ctx, stream, subject)
	if m, err = s.surely(ctx, stream, subject, m, err); err != nil {
		return Request{}, fmt.Errorf("look up the request: %w", err)
	}
	return parseRequest(k, m.Header, m.Data, m.Sequence, m.Time), nil
}

// requestOf reads a message of a function's stream.
func requestOf(f multinode.Function, subject string, h nats.Header, body []byte, sequence uint64, at time.Time) Request {
	id, nameless := idOfToken(subject[strings.LastIndexByte(subject, '.')+1:])
	r := parseRequest(multinode.InvocationKey{Project: f.Project, Generation: f.Generation, Function: f.Name, ID: id}, h, body, sequence, at)
	r.Malformed = errors.Join(nameless, r.Malformed)
	return r
}

func parseRequest(k multinode.InvocationKey, h nats.Header, body []byte, sequence uint64, at time.Time) Request {
	r := Request{
		Key: k, Version: h.Get(headerVersion), Input: body, Follows: h.Get(headerRecord) != "", Sequence: sequence, Time: at,
	}
	var lineage error
	r.Lineage, lineage = parseLineage(k, h.Get(headerLineage))
	version := checkVersion(r.Version)
	if version != nil {
		r.Version = ""
	}
	r.Malformed = errors.Join(version, lineage, checkInput(body))
	return r
}

// DeleteRequest removes the stored request of an invocation that has ended. Its
// ID may be used again after that.
func (s *Store) DeleteRequest(ctx context.Context, k multinode.InvocationKey, sequence uint64) error {
	stream, err := s.js.Stream(ctx, requestStream(k.Project, k.Generation, k.Function))
	if err == nil {
		err = stream.DeleteMsg(ctx, sequence)
	}
	if err = classify("delete the request", err); isNotFound(err) {
		return nil
	}
	return err
}
