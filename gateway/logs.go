package gateway

import (
	"context"
	"errors"

	"multinode/streams"
	"multinode/wire"
)

// logsQuery asks for a page of a log, or for all of it as it grows.
type logsQuery struct {
	MaxLines      *int    `query:"max_lines" minimum:"1" description:"At most 250, which is also the default."`
	InitialOffset *string `query:"initial_offset" description:"The next_offset of the page before."`
	Follow        *bool   `query:"follow" description:"Stream the log from its beginning as server-sent events: log, then end."`
}

func (g *Gateway) getLogs(ctx context.Context, c *call, q logsQuery) (wire.ExecutionLogs, error) {
	s, x, err := g.executionOf(ctx, c)
	if err != nil {
		return wire.ExecutionLogs{}, err
	}
	limit, offset := wire.MaxLogLinesPage, ""
	if q.MaxLines != nil {
		limit = min(*q.MaxLines, limit)
	}
	if q.InitialOffset != nil {
		offset = *q.InitialOffset
	}
	k := s.record.Key
	lines, next, err := g.store.Logs(ctx, k.Execution(x.ID), offset, limit)
	if errors.Is(err, streams.ErrOffset) {
		return wire.ExecutionLogs{}, wire.OffsetIsInvalid
	}
	logs := wire.ExecutionLogs{
		ProjectName: k.Project, VersionID: s.record.Version, FunctionName: k.Function, InvocationID: k.ID,
		ExecutionID: x.ID, LogLines: make([]string, len(lines)), NextOffset: textOrNil([]byte(next)),
	}
	for i, l := range lines {
		logs.LogLines[i] = l.Text
	}
	return logs, err
}
