package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What can go wrong, to be told apart with errors.Is.
var (
	// ErrNotFound means that nothing is stored under that name.
	ErrNotFound = errors.New("not found")
	// ErrExists means that the name is taken.
	ErrExists = errors.New("already exists")
	// ErrDuplicate means that a request with this invocation ID was accepted before.
	ErrDuplicate = errors.New("an invocation with this ID was accepted before")
	// ErrFull means that the store takes no more: the disk or a stream is full.
	ErrFull = errors.New("the store is full")
	// ErrNotDeployed means that nothing takes requests for this function.
	ErrNotDeployed = errors.New("the function is not deployed")
	// ErrTaken means that another stream takes the messages on a subject.
	ErrTaken = errors.New("the subject is another stream's")
	// ErrUnavailable means that NATS did not answer. A write may or may not have
	// been applied.
	ErrUnavailable = errors.New("NATS is unavailable")
	// ErrDigest means that content does not have the digest it was sent under.
	ErrDigest = errors.New("the content does not match its digest")
	// ErrResync means that a reader's position is not in the stream any more: it
	// has to start anew.
	ErrResync = errors.New("the position is not in the stream")
	// ErrLeave means that a worker is not, or no longer, wanted.
	ErrLeave = errors.New("this worker is told to leave")
	// ErrOffset means that a log offset was not made by this package.
	ErrOffset = errors.New("the offset is malformed")
	// ErrVersionUnknown means that a request names no version that can run.
	ErrVersionUnknown = errors.New("the request's version is unknown")
)

// Error codes of JetStream's API, from the server's errors.json.
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeStoreFailed           = 10077
	codeResourcesExceeded     = 10025
	codeOtherStream           = 10060
	codeAccountResources      = 10002
	codeSubjectsOverlap       = 10065
)

// classify turns what NATS answers into one of this package's errors, keeping
// the cause.
func classify(op string, err error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted),
		errors.Is(err, jetstream.ErrMsgNotFound), errors.Is(err, jetstream.ErrObjectNotFound),
		errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, jetstream.ErrConsumerNotFound):
		return fmt.Errorf("%s: %w", op, ErrNotFound)
	case errors.As(err, &api) && storeIsFull(int(api.ErrorCode)):
		return fmt.Errorf("%s: %w: %w", op, ErrFull, err)
	case errors.As(err, &api) && unavailable(int(api.ErrorCode)),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout),
		errors.Is(err, nats.ErrNoResponders), errors.Is(err, jetstream.ErrNoStreamResponse),
		errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrConnectionReconnecting), errors.Is(err, nats.ErrReconnectBufExceeded),
		errors.Is(err, nats.ErrConnectionDraining):
		return fmt.Errorf("%s: %w: %w", op, ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

func storeIsFull(code int) bool {
	switch code {
	case codeInsufficientResources, codeStorageExceeded, codeStoreFailed, codeResourcesExceeded, codeAccountResources:
		return true
	}
	return false
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
