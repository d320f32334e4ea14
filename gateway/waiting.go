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
		return g.nextTry(w.Reason, w.Until)
	}
	if last, ok := r.Latest(); ok && last.EndedAt != nil {
		tries := r.FailedAttempts()
		have := "have"
		if tries == 1 {
			have = "has"
		}
		reason := fmt.Sprintf("between tries: %d of %d %s failed", tries, r.Spec.MaxRetries+1, have)
		return g.nextTry(reason, last.EndedAt.Add(multinode.RetryDelay(tries)))
	}
	return g.place(ctx, s)
}

// nextTry adds when the next try is, unless it is due.
func (g *Gateway) nextTry(reason string, at time.Time) string {
	if !at.After(g.now()) {
		return reason + "; the next try is due"
	}
	return reason + "; the next try is at " + at.UTC().Format(time.RFC3339)
}

// place says where in the line an invocation stands that was not delivered yet.
func (g *Gateway) place(ctx context.Context, s invocationScope) string {
	k := s.record.Key
	slots := s.record.Spec.MaxConcurrency
	if f, err := g.store.Function(ctx, s.project, k.Function); err == nil {
		slots = f.MaxConcurrency
	}
	ahead, err := g.ahead(ctx, s)
	if err != nil {
		return "in line for one of " + plural(slots, "slot")
	}
	if stuck, err := g.stuckOnItself(k, slots); err == nil && stuck {
		return position(ahead, slots) + fmt.Sprintf(", and %s may be stuck on itself: every slot is held by an invocation "+
			"that has started others of the same function, which wait in this line. If they await each other nothing moves: "+
			"raise max_concurrency by an upgrade, or have it call a different function", k.Function)
	}
	return position(ahead, slots)
}

// ahead counts what stands in line before the invocation. The index has to know
// this one; of those before it, some may not have a record yet.
func (g *Gateway) ahead(ctx context.Context, s invocationScope) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, ownWrites)
	defer cancel()
	if err := g.index.WaitFor(ctx, s.revision); err != nil {
		return 0, err
	}
	ahead, err := g.index.Ahead(s.record.Key)
	return ahead + g.creations.ahead(s.record), err
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
