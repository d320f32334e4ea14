package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"
)

// Retry says how a call is repeated that failed for a reason that may pass. The
// pause before each repeat is a random part of one that doubles from Base to Max,
// and at least what the server asked for, unless that is longer than Max.
type Retry struct {
	// Attempts is the number of tries, the first included; 1 never repeats.
	Attempts int
	Base     time.Duration
	Max      time.Duration
}

// DefaultRetry gives up after about two seconds of an unreachable server.
var DefaultRetry = Retry{Attempts: 5, Base: 100 * time.Millisecond, Max: 5 * time.Second}

func (r Retry) do(ctx context.Context, repeat bool, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		if err == nil || attempt >= r.Attempts || ctx.Err() != nil {
			return err
		}
		asked, passing := transient(err, repeat)
		if !passing || asked > r.Max {
			return err
		}
		if !sleep(ctx, max(asked, r.pause(attempt))) {
			return err
		}
	}
}

// pause is the random wait after that many failures in a row.
func (r Retry) pause(failures int) time.Duration {
	limit := r.Max
	if shift := failures - 1; shift < 20 {
		limit = min(limit, r.Base<<shift)
	}
	if limit <= 0 {
		return 0
	}
	return limit/2 + rand.N(limit/2+1)
}

// transient tells whether a repeat may help, and is allowed. A call that must not
// happen twice is repeated only where the server says that it did nothing.
func transient(err error, repeat bool) (asked time.Duration, ok bool) {
	var answer *Error
	if errors.As(err, &answer) {
		switch answer.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			return answer.RetryAfter, true
		case http.StatusBadGateway, http.StatusGatewayTimeout:
			return answer.RetryAfter, repeat
		}
		return 0, false
	}
	var down *UnreachableError
	return 0, repeat && errors.As(err, &down)
}

// sleep waits, and tells whether it did so to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
