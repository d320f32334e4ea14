package client

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// silence is how long a stream may say nothing: three of the server's
	// heartbeats.
	silence = 45 * time.Second
	// streamPatience is how many times more tries in a row a stream gets than a
	// call: who follows something wants to go on after the server's restart.
	streamPatience = 3
)

var errSilent = fmt.Errorf("nothing came for %v", silence)

// events reads a stream until handle is done. It connects again where the
// connection breaks, and calls connected before it does: what the server then
// repeats is for handle to skip.
func (c *Client) events(ctx context.Context, r request, connected func(), handle func(event) (done bool, err error)) error {
	r.header = map[string][]string{"Accept": {"text/event-stream"}}
	patience := c.retry
	patience.Attempts *= streamPatience
	for {
		some := false // whether this connection brought anything
		err := patience.do(ctx, true, func() error {
			connected()
			done, err := c.connection(ctx, r, func(e event) (bool, error) {
				some = true
				return handle(e)
			})
			if done || err == nil {
				return err
			}
			if some {
				return restart{err}
			}
			return err
		})
		var again restart
		if !errors.As(err, &again) {
			return err
		}
		if !sleep(ctx, c.retry.pause(1)) {
			return again.err
		}
	}
}

// restart wraps a broken connection that had worked, so that the count of
// failures in a row begins anew.
type restart struct{ err error }

func (r restart) Error() string { return r.err.Error() }

// connection reads one connection's events. Done means that err is the last word.
func (c *Client) connection(ctx context.Context, r request, handle func(event) (bool, error)) (done bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watchdog.Stop()

	resp, err := c.send(ctx, r)
	if err != nil {
		return false, c.unlessSilent(ctx, r.op, err)
	}
	defer resp.Body.Close()
	reader := newStreamReader(resp.Body, func() { watchdog.Reset(silence) })
	for {
		e, err := reader.next()
		if errors.Is(err, errEventTooLarge) {
			return true, fmt.Errorf("%s: %w", r.op, err)
		}
		if err != nil {
			return false, c.unlessSilent(ctx, r.op, c.broken(ctx, r.op, err))
		}
		switch done, err := handle(e); {
		case done:
			return true, err
		case err != nil:
			return true, fmt.Errorf("%s: event %q: %w", r.op, e.name, err)
		}
	}
}

// unlessSilent makes a stream that was given up for its silence one that may be
// connected again.
func (c *Client) unlessSilent(ctx context.Context, op string, err error) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return &UnreachableError{Op: op, URL: c.base, Err: errSilent}
	}
	return err
}
