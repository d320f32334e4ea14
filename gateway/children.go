package gateway

import (
	"context"

	"multinode"
	"multinode/streams/index"
	"multinode/wire"
)

// children shows what the invocation started itself: counts of all, up to
// wire.MaxChildrenCounted of them, and the newest ones. They are at least as up to
// date as the invocation at that revision: where it has ended after its children, so
// have they.
func (g *Gateway) children(ctx context.Context, key multinode.InvocationKey, revision uint64, newest int) (*wire.Children, error) {
	settle := func(ctx context.Context) uint64 { return max(revision, g.creations.settleChildren(ctx, key)) }
	if err := g.catchUp(ctx, settle); err != nil {
		return nil, err
	}
	all := &wire.Children{Counts: map[wire.Status]int{}, Newest: []wire.Child{}, Complete: true}
	counted := 0
	err := g.index.EachChild(key, func(e index.Entry) bool {
		if counted == wire.MaxChildrenCounted || ctx.Err() != nil {
			all.Complete = false
			return false
		}
		counted++
		all.Counts[wire.Status(e.Status)]++
		if len(all.Newest) < newest {
			all.Newest = append(all.Newest, wire.Child{
				FunctionName: e.Key.Function, VersionID: e.Version, InvocationID: e.Key.ID, Status: wire.Status(e.Status),
				CreationTime: e.CreatedAt.Unix(), LastUpdateTime: e.UpdatedAt.Unix(),
			})
		}
		return true
	})
	return all, err
}
