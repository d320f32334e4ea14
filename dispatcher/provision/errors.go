package provision

import (
	"errors"
	"time"
)

// Kind says what to do about an error.
type Kind int

const (
	// Transient errors may go away: repeat the call.
	Transient Kind = iota
	// NoCapacity means that the compute is full for now. It uses up no try.
	NoCapacity
	// Permanent errors stay: give up, and show the message.
	Permanent
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case NoCapacity:
		return "no capacity"
	case Permanent:
		return "permanent"
	default:
		return "transient"
	}
}

// Error is the error of a Provisioner. Its message is that of Err, and is fit to
// be shown to users.
type Error struct {
	Kind Kind
	// RetryAfter is when to try again, counted from now; 0 means no advice.
	RetryAfter time.Duration
	Err        error
}

// Error returns the message of the cause.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's chain, and Transient
// where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Transient
}

// RetryAfter returns the advice of the first *Error in err's chain, and 0 where
// there is none.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
