package gateway

import (
	"context"

	"multinode"
	"multinode/streams"
	"multinode/wire"
)

// logTail sends the log of an invocation's executions while it grows, and at the
// end exactly what is left of it.
type logTail struct {
	g    *Gateway
	key  multinode.InvocationKey
	emit emitter
	// sent counts the lines sent of each execution.
	sent map[string]int
}

func (t *logTail) send(b streams.LogBatch) error {
	if len(b.Lines) == 0 {
		return nil
	}
	if t.sent == nil {
		t.sent = map[string]int{}
	}
	t.sent[b.Execution] += len(b.Lines)
	event := wire.LogEvent{ExecutionID: b.Execution, Lines: make([]wire.LogLine, len(b.Lines))}
	for i, l := range b.Lines {
		event.Lines[i] = wire.LogLine(l)
	}
	return t.emit(wire.EventLog, event)
}

// drainPage is how many lines are read again at a time.
const drainPage = 5000

// drain sends what is left of the log of executions that have ended: all of it
// was stored before their outcomes. What is on its way to the follower does not
// count as sent and is read again, so nothing is missing and nothing comes twice.
func (t *logTail) drain(ctx context.Context, executions []multinode.Execution) error {
	for _, x := range executions {
		if err := t.complete(ctx, x.ID); err != nil {
			return err
		}
	}
	return nil
}

// complete sends the lines of an execution's stored log that were not sent yet.
func (t *logTail) complete(ctx context.Context, execution string) error {
	skip := t.sent[execution]
	for offset, more := "", true; more; more = offset != "" {
		lines, next, err := t.g.store.Logs(ctx, t.key.Execution(execution), offset, drainPage)
		if err != nil {
			return err
		}
		already := min(skip, len(lines))
		skip -= already
		if err := t.send(streams.LogBatch{Execution: execution, Lines: lines[already:]}); err != nil {
			return err
		}
		offset = next
	}
	return nil
}
