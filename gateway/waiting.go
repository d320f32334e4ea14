package gateway

import (
	"context"
	"fmt"
	"time"

	"multinode"
	"multinode/streams/index"
)

// waitingReason says in words why a PENDING invocation is not running. It
// returns "" where it is, or has ended.
func (g *Gateway) waitingReason(ctx context.Context, s invocationScope, v multinode.Version) string {
	r := s.record
	if r.Status != multinode.Pending {
		return ""
	}
	if v.State == multinode.VersionPreparing {
		return "its environment is being built"
	}
	if _, live := r.Live(); live {
		return "its worker is starting"
	}
	if w := r.Waiting; w != nil {
		if w.Until.After(g.now()) {
			return fmt.Sprintf("%s; the next try is at %s", w.Reason, w.Until.UTC().Format(time.RFC3339))
		}
		return w.Reason
	}
	slots := r.Spec.MaxConcurrency
	if f, err := g.store.Function(ctx, s.project, r.Key.Function); err == nil {
		slots = f.MaxConcurrency
	}
	ahead, err := g.index.Ahead(r.Key)
	if err != nil {
		return "in line for one of " + plural(slots, "slot")
	}
	return position(ahead, slots)
}

func position(ahead, slots int) string {
	switch {
	case ahead == 0:
		return "next in line for one of " + plural(slots, "slot")
	case ahead >= index.AheadCap:
		return fmt.Sprintf("behind %d or more others in line for one of %s", ahead, plural(slots, "slot"))
	}
	return fmt.Sprintf("behind %s in line for one of %s", plural(ahead, "other"), plural(slots, "slot"))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
