package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"multinode/dispatcher/provision"
)

// Advice on when to try again.
const (
	retryFull   = time.Second
	retryBroken = 5 * time.Second
)

func full(limit int) error {
	return &provision.Error{
		Kind:       provision.NoCapacity,
		RetryAfter: retryFull,
		Err:        fmt.Errorf("all %d workers that this machine may run are in use", limit),
	}
}

func permanent(err error) error { return &provision.Error{Kind: provision.Permanent, Err: err} }

// failure gives an error the kind that its cause suggests, unless it has one.
func failure(err error) error {
	var known *provision.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &provision.Error{Kind: provision.Transient, Err: err}
	}
	kind := provision.Transient
	// The kernel has no room for one more process or file.
	for _, cause := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, cause) {
			kind = provision.NoCapacity
		}
	}
	return &provision.Error{Kind: kind, RetryAfter: retryBroken, Err: err}
}
