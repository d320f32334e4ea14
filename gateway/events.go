package gateway

import (
	"context"
	"errors"
	"time"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// invocationEvents streams everything that happens to an invocation: first its
// present state, the latest yield and the log so far, then what comes.
func (g *Gateway) invocationEvents(ctx context.Context, c *call) (eventStream, error) {
	s, err := g.invocationOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit emitter) error {
		f := &follower{g: g, scope: s, emit: emit, logs: logTail{g: g, key: s.record.Key, emit: emit}}
		return f.run(ctx)
	}, nil
}

// follower follows one invocation for one client.
type follower struct {
	g     *Gateway
	scope invocationScope
	emit  emitter
	logs  logTail

	record *watched
	input  *string
	// revision is that of the last status sent.
	revision uint64
	// yielded is when the last yield that was sent was stored.
	yielded time.Time
}

func (f *follower) run(ctx context.Context) error {
	key := f.scope.record.Key
	changes, stopChanges := f.g.index.Subscribe(key)
	defer stopChanges()
	f.record = f.g.watch(key)
	yields, stopYields, err := f.g.store.YieldNotices(key)
	if err != nil {
		return err
	}
	defer stopYields()
	batches, err := f.g.store.FollowLogs(ctx, key, "")
	if err != nil {
		return err
	}
	// The index may miss a notice while it is made again: look now and then.
	lookAgain := time.NewTicker(f.g.options.Heartbeat)
	defer lookAgain.Stop()
	for {
		ended, err := f.look(ctx)
		if err != nil {
			return err
		}
		if ended != nil {
			if err := f.logs.drain(ctx, f.scope.record.Executions); err != nil {
				return err
			}
			return f.emit(wire.EventEnd, *ended)
		}
		for looking := false; !looking; {
			select {
			case b, open := <-batches:
				if !open {
					return ctx.Err()
				}
				if err := f.logs.send(b); err != nil {
					return err
				}
			case change, open := <-changes:
				if !open {
					return nil
				}
				f.record.hear(change)
				looking = true
			case <-yields:
				if err := f.sendYield(ctx); err != nil {
					return err
				}
			case <-lookAgain.C:
				looking = true
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// look reads the record and sends the status where it changed. It returns the
// view of an invocation that has ended.
func (f *follower) look(ctx context.Context) (*wire.InvocationInfo, error) {
	var err error
	if f.scope.record, f.scope.revision, err = f.record.read(ctx); err != nil {
		return nil, err
	}
	if f.scope.revision == f.revision {
		return nil, nil
	}
	f.revision = f.scope.revision
	if err := f.sendYield(ctx); err != nil {
		return nil, err
	}
	info, err := f.g.view(ctx, f.scope, f.input)
	if err != nil {
		return nil, err
	}
	f.input = &info.Input
	if err := f.emit(wire.EventStatus, info); err != nil {
		return nil, err
	}
	if info.Status.Terminal() {
		return &info, nil
	}
	return nil, nil
}

// sendYield sends the newest execution's latest yield where it is new.
func (f *follower) sendYield(ctx context.Context) error {
	x, ok := f.scope.record.Latest()
	if !ok {
		return nil
	}
	output, at, err := f.g.store.LatestYield(ctx, f.scope.record.Key.Execution(x.ID))
	if errors.Is(err, streams.ErrNotFound) || err == nil && !at.After(f.yielded) {
		return nil
	}
	if err != nil {
		return err
	}
	f.yielded = at
	return f.emit(wire.EventYield, wire.YieldEvent{ExecutionID: x.ID, Output: string(output)})
}

// followLogs streams the log of one execution until that has ended.
func (g *Gateway) followLogs(ctx context.Context, c *call) (eventStream, error) {
	s, x, err := g.executionOf(ctx, c)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, emit emitter) error {
		return g.sendLogs(ctx, s, x.ID, emit)
	}, nil
}

func (g *Gateway) sendLogs(ctx context.Context, s invocationScope, id string, emit emitter) error {
	key := s.record.Key
	changes, stopChanges := g.index.Subscribe(key)
	defer stopChanges()
	record := g.watch(key)
	batches, err := g.store.FollowLogs(ctx, key, id)
	if err != nil {
		return err
	}
	tail := logTail{g: g, key: key, emit: emit}
	lookAgain := time.NewTicker(g.options.Heartbeat)
	defer lookAgain.Stop()
	for {
		if s.record, s.revision, err = record.read(ctx); err != nil {
			return err
		}
		x, ok := findExecution(s.record, id)
		if !ok || x.State == multinode.Ended {
			break
		}
		for looking := false; !looking; {
			select {
			case b, open := <-batches:
				if !open {
					return ctx.Err()
				}
				if err := tail.send(b); err != nil {
					return err
				}
			case change, open := <-changes:
				if !open {
					return nil // the gateway is closing
				}
				record.hear(change)
				looking = true
			case <-lookAgain.C:
				looking = true
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	if err := tail.complete(ctx, id); err != nil {
		return err
	}
	info, err := g.executionInfo(ctx, s, id)
	if err != nil {
		return err
	}
	return emit(wire.EventEnd, info)
}
