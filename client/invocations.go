package client

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"multinode/wire"
)

// Function names a function; an empty version means Latest.
type Function struct {
	Project, Version, Name string
}

func (f Function) path() string {
	return versionPath(f.Project, f.Version) + "/functions/" + url.PathEscape(f.Name) + "/invocations"
}

// Invocation names the invocation of this function with an ID.
func (f Function) Invocation(id string) Invocation { return Invocation{Function: f, ID: id} }

// Invocation names an invocation.
type Invocation struct {
	Function
	ID string
}

func (i Invocation) path() string { return i.Function.path() + "/" + url.PathEscape(i.ID) }

// Start asks for an invocation of a function. With the same idempotency key, 1 to
// 255 characters, and the same input it is the same invocation, however often it
// is asked for; without one, a random key makes the call safe to repeat.
func (c *Client) Start(ctx context.Context, f Function, d wire.InvocationDefinition, idempotencyKey string) (wire.InvocationInfo, error) {
	if idempotencyKey == "" {
		idempotencyKey = rand.Text()
	}
	var info wire.InvocationInfo
	err := c.call(ctx, request{
		op: "start invocation", method: http.MethodPost, path: f.path(), body: d, repeat: true,
		header: http.Header{wire.IdempotencyKeyHeader: {idempotencyKey}},
	}, &info)
	return info, err
}

// Invocation describes an invocation.
func (c *Client) Invocation(ctx context.Context, i Invocation) (wire.InvocationInfo, error) {
	var info wire.InvocationInfo
	err := c.call(ctx, request{op: "get invocation", method: http.MethodGet, path: i.path(), repeat: true}, &info)
	return info, err
}

// InvocationWithChildren describes an invocation and what it has started: counts,
// and so many of the newest, at most wire.MaxChildren.
func (c *Client) InvocationWithChildren(ctx context.Context, i Invocation, newest int) (wire.InvocationInfo, error) {
	var info wire.InvocationInfo
	query := url.Values{"children": {strconv.Itoa(min(newest, wire.MaxChildren))}}
	err := c.call(ctx, request{op: "get invocation", method: http.MethodGet, path: i.path(), query: query, repeat: true}, &info)
	return info, err
}

// WaitInvocation describes an invocation once it has finished or is no longer at
// the revision after, and at the latest when wait, at most a minute in whole
// seconds, is over. A nil after means the revision at arrival.
func (c *Client) WaitInvocation(ctx context.Context, i Invocation, wait time.Duration, after *uint64) (wire.InvocationInfo, error) {
	seconds := min(int(wait/time.Second), wire.MaxWait)
	query := url.Values{"wait": {strconv.Itoa(seconds)}}
	if after != nil {
		query.Set("after", strconv.FormatUint(*after, 10))
	}
	var info wire.InvocationInfo
	err := c.call(ctx, request{
		op: "await invocation", method: http.MethodGet, path: i.path(), query: query, repeat: true,
		timeout: time.Duration(seconds)*time.Second + callTimeout,
	}, &info)
	return info, err
}

// Await waits until an invocation has finished, however long that takes.
func (c *Client) Await(ctx context.Context, i Invocation) (wire.InvocationInfo, error) {
	var after *uint64
	for {
		info, err := c.WaitInvocation(ctx, i, wire.MaxWait*time.Second, after)
		if err != nil || info.Status.Terminal() {
			return info, err
		}
		after = &info.Revision
	}
}

// Cancel asks for an invocation's end. It is refused where the invocation has
// finished before.
func (c *Client) Cancel(ctx context.Context, i Invocation) (wire.InvocationInfo, error) {
	var info wire.InvocationInfo
	tries := 0
	err := c.retry.do(ctx, true, func() error {
		tries++
		once, cancel := context.WithTimeoutCause(ctx, callTimeout, noAnswerError{callTimeout})
		defer cancel()
		return c.try(once, request{op: "cancel invocation", method: http.MethodPut, path: i.path() + "/cancel"}, &info)
	})
	if tries > 1 && errors.Is(err, wire.InvocationIsAlreadyTerminated) {
		// Perhaps by the try whose answer was lost.
		return c.Invocation(ctx, i)
	}
	return info, err
}

// ListOptions choose a page of invocations.
type ListOptions struct {
	// MaxResults is at most wire.MaxInvocationsPage, which 0 means too.
	MaxResults int
	// Offset is the NextOffset of the page before; empty means the first page.
	Offset string
	// Phase leaves out the others; empty means all.
	Phase wire.InvocationPhase
	// Parent leaves out all but the invocations that this one started.
	Parent *wire.ParentInvocation
}

// Invocations lists a function's invocations, newest first, a page at a time.
func (c *Client) Invocations(ctx context.Context, f Function, o ListOptions) (wire.InvocationsListForFunction, error) {
	query := url.Values{}
	if o.MaxResults > 0 {
		query.Set("max_results", strconv.Itoa(o.MaxResults))
	}
	if o.Offset != "" {
		query.Set("initial_offset", o.Offset)
	}
	if o.Phase != "" {
		query.Set("status", string(o.Phase))
	}
	if o.Parent != nil {
		query.Set("parent_function_name", o.Parent.FunctionName)
		query.Set("parent_invocation_id", o.Parent.InvocationID)
	}
	var list wire.InvocationsListForFunction
	err := c.call(ctx, request{op: "list invocations", method: http.MethodGet, path: f.path(), query: query, repeat: true}, &list)
	return list, err
}
