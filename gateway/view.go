package gateway

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// parallelReads bounds how many things of one invocation or list are looked up at
// the same time.
const parallelReads = 8

// view loads what is stored beside an invocation's record and shows all of it.
// The record was read first: whatever it says of an outcome is stored by then.
func (g *Gateway) view(ctx context.Context, s invocationScope, input *string) (wire.InvocationInfo, error) {
	f, err := g.facts(ctx, s, input)
	if err != nil {
		return wire.InvocationInfo{}, err
	}
	return project(f), nil
}

// facts loads an invocation's facts. input is nil where it is not known yet: it
// never changes.
func (g *Gateway) facts(ctx context.Context, s invocationScope, input *string) (facts, error) {
	r := s.record
	f := facts{record: r, revision: s.revision}
	reads, ctx := errgroup.WithContext(ctx)
	reads.SetLimit(parallelReads)
	if input != nil {
		f.input = *input
	} else {
		reads.Go(func() error {
			request, err := g.store.Request(ctx, r.Key)
			f.input = string(request.Input)
			if errors.Is(err, streams.ErrNotFound) && streams.Nameless(r.Key.ID) {
				return nil // it cannot be found by this ID
			}
			return orNotFound(err, wire.InvocationDoesNotExist) // retention is taking it away
		})
	}
	if a, ok := r.Parent(); ok {
		reads.Go(func() error {
			parent, err := g.parent(ctx, r.Key, a)
			f.parent = parent
			return err
		})
	}
	results := make([]result, len(r.Executions))
	for i, x := range r.Executions {
		reads.Go(func() error {
			var err error
			results[i], err = g.result(ctx, r.Key.Execution(x.ID), x)
			return err
		})
	}
	v, err := g.store.Version(ctx, s.project, r.Version)
	if err == nil || errors.Is(err, streams.ErrNotFound) {
		f.ready = v.State == multinode.VersionReady
		f.waiting = g.waitingReason(ctx, s, v)
		err = nil
	}
	if err := errors.Join(reads.Wait(), err); err != nil {
		return f, err
	}
	f.results = make(map[string]result, len(results))
	for i, x := range r.Executions {
		f.results[x.ID] = results[i]
	}
	return f, nil
}

func (g *Gateway) parent(ctx context.Context, child multinode.InvocationKey, a multinode.Ancestor) (*multinode.Invocation, error) {
	key := child
	key.Function, key.ID = a.Function, a.ID
	record, _, err := g.store.Record(ctx, key)
	if errors.Is(err, streams.ErrNotFound) {
		return nil, nil
	}
	return &record, err
}

// result loads an execution's output and error. An execution that returned
// nothing of its own, because it was stopped or is still running, shows its
// latest yield.
func (g *Gateway) result(ctx context.Context, k multinode.ExecutionKey, x multinode.Execution) (result, error) {
	var r result
	if x.State == multinode.Ended {
		outcome, _, err := g.store.Outcome(ctx, k)
		switch {
		case errors.Is(err, streams.ErrNotFound) && x.Outcome == multinode.OutcomeSucceeded:
			return r, wire.InvocationDoesNotExist // retention is taking it away
		case err != nil && !errors.Is(err, streams.ErrNotFound):
			return r, err
		}
		r.err = textOrNil([]byte(outcome.Error))
		if outcome.Output != nil {
			text := string(outcome.Output)
			r.output = &text
			return r, nil
		}
	}
	if x.State == multinode.Starting {
		return r, nil
	}
	output, at, err := g.store.LatestYield(ctx, k)
	if errors.Is(err, streams.ErrNotFound) {
		if x.Outcome == multinode.OutcomeSucceeded {
			none := "null" // a generator that yielded nothing
			r.output = &none
		}
		return r, nil
	}
	if err == nil {
		text := string(output)
		r.output, r.yielded = &text, at
	}
	return r, err
}

func textOrNil(text []byte) *string {
	if len(text) == 0 {
		return nil
	}
	s := string(text)
	return &s
}
