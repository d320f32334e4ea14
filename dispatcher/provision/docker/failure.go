package docker

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"multinode/dispatcher/provision"
)

// Advice on when to try again.
const (
	retryFull   = time.Second
	retryBroken = 5 * time.Second
)

func full(err error) error {
	return &provision.Error{Kind: provision.NoCapacity, RetryAfter: retryFull, Err: err}
}

func permanent(err error) error { return &provision.Error{Kind: provision.Permanent, Err: err} }

// exhausted are what an engine says that has no room for one more container.
var exhausted = []string{
	"no space left", "cannot allocate memory", "resource temporarily unavailable", "too many open files",
	"no available IPv4 addresses", "no available network", "disk quota exceeded",
}

// failure gives an error of the engine the kind that its cause suggests, unless it
// has one.
func failure(err error) error {
	var known *provision.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrClosed) {
		return &provision.Error{Kind: provision.Transient, Err: err}
	}
	for _, words := range exhausted {
		if strings.Contains(err.Error(), words) {
			return &provision.Error{Kind: provision.NoCapacity, RetryAfter: retryBroken, Err: err}
		}
	}
	if errdefs.IsInvalidArgument(err) {
		return permanent(err)
	}
	return &provision.Error{Kind: provision.Transient, RetryAfter: retryBroken, Err: err}
}

// pullFailure is for what a registry answers. Only an image that is surely not
// there stays away: a registry that refuses may know the dispatcher again later.
func pullFailure(err error) error {
	text := err.Error()
	if strings.Contains(text, "denied") || strings.Contains(text, "unauthorized") {
		return failure(errors.New(text + "; check the login of the server's user to that registry (`docker login`)"))
	}
	if errdefs.IsNotFound(err) {
		return permanent(err)
	}
	for _, words := range []string{"manifest unknown", "no matching manifest", "name unknown"} {
		if strings.Contains(text, words) {
			return permanent(err)
		}
	}
	return failure(err)
}
