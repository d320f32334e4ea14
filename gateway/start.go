package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams"
	"multinode/wire"
)

// acceptTimeout bounds one try to store a request. There are two: what a lost
// answer leaves open, the second one finds out.
const acceptTimeout = 4 * time.Second

// maxIdempotencyKey is in characters.
const maxIdempotencyKey = 255

// startInvocation answers as soon as the request is stored: from then on it is
// not lost. The record is made in the background.
func (g *Gateway) startInvocation(ctx context.Context, c *call, d wire.InvocationDefinition) (wire.InvocationInfo, error) {
	id, err := invocationID(c)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	s, err := g.functionOf(ctx, c)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	if err := checkServes(s); err != nil {
		return wire.InvocationInfo{}, err
	}
	if id.fromKey != nil {
		id.id = id.fromKey(s)
	}
	r := streams.Request{Key: s.key(id.id), Version: s.version.ID, Input: []byte(d.Input), Follows: true}
	var parent *multinode.Invocation
	if d.ParentInvocation != nil {
		if parent, r.Lineage, err = g.lineage(ctx, s, *d.ParentInvocation); err != nil {
			return wire.InvocationInfo{}, err
		}
	}
	if err = g.checkQueue(r.Key); err == nil {
		r.Sequence, err = g.accept(ctx, r)
	}
	switch {
	case err == nil:
	case id.fromKey != nil && g.accepted(ctx, r): // also where nothing more is taken
		return g.startedBefore(ctx, s, r)
	case errors.Is(err, streams.ErrDuplicate):
		return wire.InvocationInfo{}, wire.InvocationAlreadyExists
	case errors.Is(err, streams.ErrNotDeployed):
		return wire.InvocationInfo{}, g.whyNotDeployed(ctx, s)
	case errors.Is(err, streams.ErrLineageTooLong):
		return wire.InvocationInfo{}, refuse(http.StatusBadRequest, "The names of the invocation's ancestors are too long together")
	default:
		return wire.InvocationInfo{}, err
	}
	failpoint.Hit("gateway.accepted")
	return g.started(s, r, parent)
}

// started shows an invocation that has just been accepted.
func (g *Gateway) started(s functionScope, r streams.Request, parent *multinode.Invocation) (wire.InvocationInfo, error) {
	r.Time = g.now()
	record, err := multinode.Next(nil, multinode.Accepted{
		Key: r.Key, Version: r.Version, Spec: s.spec, Lineage: r.Lineage, Sequence: r.Sequence, At: r.Time,
	})
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	info := project(facts{
		record: record, input: string(r.Input), parent: parent, ready: s.version.State == multinode.VersionReady,
	})
	r.Input = nil // the record does not need it, and the backlog is long
	g.creations.add(r)
	failpoint.Hit("gateway.queued")
	return info, nil
}

// startedBefore answers the repetition of a start.
func (g *Gateway) startedBefore(ctx context.Context, s functionScope, r streams.Request) (wire.InvocationInfo, error) {
	stored, err := g.store.Request(ctx, r.Key)
	if err != nil {
		return wire.InvocationInfo{}, orNotFound(err, wire.InvocationAlreadyExists)
	}
	if string(stored.Input) != string(r.Input) {
		return wire.InvocationInfo{}, refuse(http.StatusUnprocessableEntity,
			"This %s was used before to start an invocation with another input", wire.IdempotencyKeyHeader)
	}
	record, revision, err := g.store.Record(ctx, r.Key)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	input := string(stored.Input)
	return g.view(ctx, invocationScope{s.project, record, revision}, &input)
}

// accept stores the request. It tries a second time where it is not known
// whether the first one stored it: the ID makes that safe.
func (g *Gateway) accept(ctx context.Context, r streams.Request) (uint64, error) {
	try := func() (uint64, error) {
		ctx, cancel := context.WithTimeout(ctx, acceptTimeout)
		defer cancel()
		return g.store.Accept(ctx, r)
	}
	sequence, err := try()
	if !errors.Is(err, streams.ErrUnavailable) || ctx.Err() != nil {
		return sequence, err
	}
	sequence, err = try()
	if !errors.Is(err, streams.ErrDuplicate) && !errors.Is(err, streams.ErrFull) {
		return sequence, err
	}
	stored, lookup := g.store.Request(ctx, r.Key)
	if errors.Is(lookup, streams.ErrNotFound) {
		return 0, err
	}
	if lookup != nil {
		return 0, lookup
	}
	if string(stored.Input) != string(r.Input) {
		return 0, err
	}
	return stored.Sequence, nil
}

// accepted tells whether the request was stored before.
func (g *Gateway) accepted(ctx context.Context, r streams.Request) bool {
	_, err := g.store.Request(ctx, r.Key)
	return err == nil
}

// checkQueue refuses what would make a function's queue longer than it may be:
// one function is not to fill the store of all.
func (g *Gateway) checkQueue(k multinode.InvocationKey) error {
	waiting := g.creations.waiting(k)
	// An index that is behind is no reason to refuse anything.
	if counts, err := g.index.Counts(k.Project, k.Generation, k.Function); err == nil {
		waiting += counts[multinode.Pending]
	}
	if waiting < g.options.MaxQueue {
		return nil
	}
	return &problem{
		status: http.StatusTooManyRequests, retryAfter: retryFull,
		detail: fmt.Sprintf("%d invocations of this function wait already; try again when some of them have started", g.options.MaxQueue),
	}
}

// checkServes tells early what would otherwise show as an unknown function.
func checkServes(s functionScope) error {
	if s.project.Deleting() {
		return wire.ProjectIsBeingDeleted
	}
	if s.version.State == multinode.VersionFailed {
		return refuse(http.StatusConflict, "This version cannot run, for it could not be prepared: %s", s.version.Failure)
	}
	return nil
}

// whyNotDeployed explains why nothing took the request.
func (g *Gateway) whyNotDeployed(ctx context.Context, s functionScope) error {
	p, err := g.store.Project(ctx, s.project.Name)
	switch {
	case errors.Is(err, streams.ErrNotFound), err == nil && p.Generation != s.project.Generation:
		return wire.ProjectDoesNotExist
	case err != nil:
		return err
	case p.Deleting():
		return wire.ProjectIsBeingDeleted
	}
	return &problem{
		status: http.StatusServiceUnavailable, retryAfter: retryUnavailable,
		detail: "This version is still being prepared; try again in a moment",
	}
}

// lineage returns the invocation's parent and the names of all its ancestors. A
// parent that has ended, or is to be cancelled, may have children all the same:
// the dispatcher sees to those.
func (g *Gateway) lineage(ctx context.Context, s functionScope, named wire.ParentInvocation) (*multinode.Invocation, []multinode.Ancestor, error) {
	if multinode.ValidateFunctionName(named.FunctionName) != nil || named.InvocationID == "" || len(named.InvocationID) > maxID {
		return nil, nil, wire.ParentInvocationDoesNotExist
	}
	a := multinode.Ancestor{Function: named.FunctionName, ID: named.InvocationID}
	parent, err := g.parent(ctx, s.key(""), a)
	if err != nil {
		return nil, nil, err
	}
	if parent == nil {
		return nil, nil, wire.ParentInvocationDoesNotExist
	}
	if len(parent.Lineage) >= multinode.MaxDepth {
		return nil, nil, refuse(http.StatusBadRequest, "An invocation has at most %d ancestors", multinode.MaxDepth)
	}
	return parent, append(parent.Lineage[:len(parent.Lineage):len(parent.Lineage)], a), nil
}

// chosenID is the ID of an invocation to be: random, or derived from the
// client's key once the function is known.
type chosenID struct {
	id      string
	fromKey func(functionScope) string
}

func invocationID(c *call) (chosenID, error) {
	if c.http.Request().Header.Peek(wire.IdempotencyKeyHeader) == nil {
		return chosenID{id: multinode.NewID(multinode.InvocationPrefix)}, nil
	}
	key := c.header(wire.IdempotencyKeyHeader)
	if key == "" || !utf8.ValidString(key) || utf8.RuneCountInString(key) > maxIdempotencyKey {
		return chosenID{}, violation("value_error", "the key has 1 to 255 characters", "header", wire.IdempotencyKeyHeader)
	}
	return chosenID{fromKey: func(s functionScope) string {
		// No name has a control character in it: nothing can be told in two ways.
		sum := sha256.Sum256([]byte(s.project.Generation + "\x00" + s.spec.Name + "\x00" + key))
		return multinode.InvocationPrefix + "-" + hex.EncodeToString(sum[:16])
	}}, nil
}
