package gateway

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams/index"
	"multinode/wire"
)

// listQuery narrows a list of invocations.
type listQuery struct {
	MaxResults         *int                  `query:"max_results" minimum:"1" description:"At most 50, which is also the default."`
	InitialOffset      *string               `query:"initial_offset" description:"The next_offset of the page before."`
	Status             *wire.InvocationPhase `query:"status"`
	ParentFunctionName *string               `query:"parent_function_name" description:"Goes with parent_invocation_id."`
	ParentInvocationID *string               `query:"parent_invocation_id" description:"Goes with parent_function_name."`
}

func (q listQuery) parent() (*multinode.Ancestor, error) {
	switch {
	case q.ParentFunctionName == nil && q.ParentInvocationID == nil:
		return nil, nil
	case q.ParentFunctionName == nil:
		return nil, wire.ParentFunctionNameIsMissing
	case q.ParentInvocationID == nil:
		return nil, wire.ParentInvocationIDIsMissing
	}
	return &multinode.Ancestor{Function: *q.ParentFunctionName, ID: *q.ParentInvocationID}, nil
}

func (g *Gateway) listInvocations(ctx context.Context, c *call, q listQuery) (wire.InvocationsListForFunction, error) {
	list := wire.InvocationsListForFunction{Invocations: []wire.InvocationSummary{}}
	parent, err := q.parent()
	if err != nil {
		return list, err
	}
	s, err := g.functionOf(ctx, c)
	if err != nil {
		return list, err
	}
	key := s.key("")
	if err := g.catchUp(ctx, func(ctx context.Context) uint64 { return g.creations.settle(ctx, functionKeyOf(key)) }); err != nil {
		return list, err
	}
	query := index.Query{
		Project: key.Project, Generation: key.Generation, Function: key.Function, Version: s.version.ID,
		Parent: parent, Limit: wire.MaxInvocationsPage,
	}
	if q.MaxResults != nil {
		query.Limit = min(*q.MaxResults, wire.MaxInvocationsPage)
	}
	if q.InitialOffset != nil {
		query.After = *q.InitialOffset
	}
	if q.Status != nil {
		terminal := *q.Status == wire.InvocationTerminated
		query.Terminal = &terminal
	}
	entries, next, err := g.index.List(query)
	if errors.Is(err, index.ErrCursor) {
		return list, wire.OffsetIsInvalid
	}
	list.ProjectName, list.VersionID, list.FunctionName = key.Project, s.version.ID, key.Function
	for _, e := range entries {
		list.Invocations = append(list.Invocations, invocationSummary(e))
	}
	list.NextOffset = textOrNil([]byte(next))
	return list, err
}

// ownWrites is how long a list waits for what this gateway wrote just before.
const ownWrites = time.Second

// catchUp lets a client read its own writes: the list waits for the records that
// settle makes, and for the index to have seen them. Where that takes too long the
// list is answered as it is.
func (g *Gateway) catchUp(ctx context.Context, settle func(context.Context) uint64) error {
	if err := g.index.Ready(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, ownWrites)
	defer cancel()
	if err := g.index.WaitFor(ctx, settle(ctx)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func invocationSummary(e index.Entry) wire.InvocationSummary {
	s := wire.InvocationSummary{
		InvocationID: e.Key.ID, CancellationRequestTime: unixOrNil(e.CancelRequestedAt),
		InvocationStatus: phase(e.Status), CreationTime: e.CreatedAt.Unix(), LastUpdateTime: e.UpdatedAt.Unix(),
		Status: wire.Status(e.Status),
	}
	if e.Parent != nil {
		s.ParentInvocation = &wire.ParentInvocation{FunctionName: e.Parent.Function, InvocationID: e.Parent.ID}
	}
	return s
}

func (g *Gateway) cancelInvocation(ctx context.Context, c *call) (wire.InvocationInfo, error) {
	s, err := g.invocationOf(ctx, c)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	s.record, s.revision, err = g.store.RequestCancel(ctx, s.record.Key)
	switch {
	case errors.Is(err, multinode.ErrTerminal):
		return wire.InvocationInfo{}, wire.InvocationIsAlreadyTerminated
	case err != nil:
		return wire.InvocationInfo{}, orNotFound(err, wire.InvocationDoesNotExist)
	}
	failpoint.Hit("gateway.cancelled")
	g.creations.wrote(s.revision)
	return g.view(ctx, s, nil)
}
