package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"multinode/wire"
)

// Handlers take what a followed invocation does; those that are nil are skipped.
// They are called one at a time, in order.
type Handlers struct {
	// Status gets the invocation at first, and after each change of its state.
	Status func(wire.InvocationInfo)
	// Yield gets the latest output of an execution; some in between may be left out.
	Yield func(wire.YieldEvent)
	// Log gets an execution's lines, from its first on.
	Log func(wire.LogEvent)
}

// Follow reports what an invocation does until it has finished, and returns it as
// it then is. It survives a broken connection and a restart of the server:
// handlers are not told twice.
func (c *Client) Follow(ctx context.Context, i Invocation, h Handlers) (wire.InvocationInfo, error) {
	var end wire.InvocationInfo
	r := request{op: "follow invocation", method: http.MethodGet, path: i.path() + "/events"}
	err := c.follow(ctx, r, h, &end)
	return end, err
}

// FollowLog reports one execution's lines until it has ended, and returns it as it
// then is.
func (c *Client) FollowLog(ctx context.Context, i Invocation, execution string, lines func(wire.LogEvent)) (wire.ExecutionInfo, error) {
	var end wire.ExecutionInfo
	r := request{
		op: "follow log", method: http.MethodGet, path: executionPath(i, execution) + "/logs",
		query: url.Values{"follow": {"true"}},
	}
	err := c.follow(ctx, r, Handlers{Log: lines}, &end)
	return end, err
}

func (c *Client) follow(ctx context.Context, r request, h Handlers, end any) error {
	f := follower{Handlers: h, lines: map[string]int{}, yields: map[string]string{}}
	return c.events(ctx, r, f.connected, func(e event) (bool, error) {
		switch e.name {
		case wire.EventStatus:
			return false, tell(e.data, f.status)
		case wire.EventYield:
			return false, tell(e.data, f.yield)
		case wire.EventLog:
			return false, tell(e.data, f.log)
		case wire.EventEnd:
			return true, json.Unmarshal(e.data, end)
		}
		return false, nil
	})
}

func tell[T any](data []byte, handle func(T)) error {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	handle(v)
	return nil
}

// Log gives a page of an execution's log as plain lines, oldest first. An empty
// offset means the first page.
func (c *Client) Log(ctx context.Context, i Invocation, execution, offset string) (wire.ExecutionLogs, error) {
	query := url.Values{"max_lines": {strconv.Itoa(wire.MaxLogLinesPage)}}
	if offset != "" {
		query.Set("initial_offset", offset)
	}
	var page wire.ExecutionLogs
	err := c.call(ctx, request{
		op: "get logs", method: http.MethodGet, path: executionPath(i, execution) + "/logs", query: query, repeat: true,
	}, &page)
	return page, err
}

// Execution describes an execution.
func (c *Client) Execution(ctx context.Context, i Invocation, execution string) (wire.ExecutionInfo, error) {
	var info wire.ExecutionInfo
	err := c.call(ctx, request{op: "get execution", method: http.MethodGet, path: executionPath(i, execution), repeat: true}, &info)
	return info, err
}

func executionPath(i Invocation, execution string) string {
	return i.path() + "/executions/" + url.PathEscape(execution)
}

// follower remembers what was told, as each connection begins from the start.
type follower struct {
	Handlers
	told     bool              // whether Status was called
	revision uint64            // of the last Status
	lines    map[string]int    // per execution, told
	passed   map[string]int    // per execution, on this connection
	yields   map[string]string // per execution, the last one told
}

func (f *follower) connected() { f.passed = map[string]int{} }

func (f *follower) status(info wire.InvocationInfo) {
	if f.Status == nil || (f.told && info.Revision <= f.revision) {
		return
	}
	f.told, f.revision = true, info.Revision
	f.Status(info)
}

func (f *follower) yield(y wire.YieldEvent) {
	if last, ok := f.yields[y.ExecutionID]; f.Yield == nil || (ok && last == y.Output) {
		return
	}
	f.yields[y.ExecutionID] = y.Output
	f.Yield(y)
}

func (f *follower) log(l wire.LogEvent) {
	told := f.lines[l.ExecutionID] - f.passed[l.ExecutionID]
	f.passed[l.ExecutionID] += len(l.Lines)
	l.Lines = l.Lines[min(max(told, 0), len(l.Lines)):]
	if f.Log == nil || len(l.Lines) == 0 {
		return
	}
	f.lines[l.ExecutionID] += len(l.Lines)
	f.Log(l)
}
