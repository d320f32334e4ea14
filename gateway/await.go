package gateway

import (
	"context"
	"errors"
	"time"

	"multinode/wire"
)

// lookQuery says how to look at an invocation: at once or by a long-poll, with its
// children or without them.
type lookQuery struct {
	Wait     *float64 `query:"wait" minimum:"0" maximum:"60" description:"Answer when the invocation ends or changes, after this many seconds at the latest."`
	After    *uint64  `query:"after" maximum:"9007199254740991" description:"The revision that the client knows: wait for another one."`
	Children *int     `query:"children" minimum:"0" maximum:"50" description:"Count the invocations that this one has started, and show so many of the newest."`
}

func (g *Gateway) getInvocation(ctx context.Context, c *call, q lookQuery) (wire.InvocationInfo, error) {
	s, err := g.invocationOf(ctx, c)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	info, err := g.look(ctx, c, s, q)
	if err == nil && q.Children != nil {
		info.Children, err = g.children(ctx, s.record.Key, info.Revision, *q.Children)
	}
	return info, err
}

func (g *Gateway) look(ctx context.Context, c *call, s invocationScope, q lookQuery) (wire.InvocationInfo, error) {
	if q.Wait == nil || *q.Wait == 0 {
		return g.view(ctx, s, nil)
	}
	ctx, release, err := g.admitWaiter(ctx, c.grant)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	defer release()
	info, err := g.await(ctx, s, time.Duration(*q.Wait*float64(time.Second)), q.After)
	if ended := context.Cause(ctx); errors.Is(ended, wire.APIKeyIsInvalid) {
		return wire.InvocationInfo{}, ended
	}
	return info, err
}

// await returns the invocation once it has ended, once its revision or output is
// another than at the beginning (or than the revision the client knows), or once
// the time is up.
func (g *Gateway) await(ctx context.Context, s invocationScope, wait time.Duration, after *uint64) (wire.InvocationInfo, error) {
	timeUp := time.NewTimer(wait)
	defer timeUp.Stop()
	// First listen, then look: nothing can fall between.
	changes, stopChanges := g.index.Subscribe(s.record.Key)
	defer stopChanges()
	yields, stopYields, err := g.store.YieldNotices(s.record.Key)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	defer stopYields()

	record := g.watch(s.record.Key)
	if after != nil {
		record.told = max(record.told, *after)
	}
	var first *wire.InvocationInfo
	var input *string
	for {
		var err error
		if s.record, s.revision, err = record.read(ctx); err != nil {
			return wire.InvocationInfo{}, orNotFound(err, wire.InvocationDoesNotExist)
		}
		info, err := g.view(ctx, s, input)
		if err != nil {
			return info, err
		}
		if first == nil {
			first, input = &info, &info.Input
			if after == nil {
				after = &info.Revision
			}
		}
		if info.Status.Terminal() || info.Revision != *after || differs(info.Output, first.Output) {
			return info, nil
		}
		select {
		case change, open := <-changes:
			if !open {
				return info, nil
			}
			record.hear(change)
		case <-yields:
		case <-timeUp.C:
			return info, nil
		case <-g.closing.Done():
			return info, nil
		case <-ctx.Done():
			return info, ctx.Err()
		}
	}
}

func differs(a, b *string) bool {
	if a == nil || b == nil {
		return a != b
	}
	return *a != *b
}
