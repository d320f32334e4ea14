package runner

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"multinode"
)

// The values of multinode.LogLine.Stream.
const (
	streamStdout = "stdout"
	streamStderr = "stderr"
	streamSystem = "system"
)

// lineOverhead is what a line takes beside its text once it is encoded: without
// it a batch of empty lines would have no bound.
const lineOverhead = 64

// logbook takes lines and stores them in batches, one after the other. The first
// line after a pause is stored at once; lines that follow soon wait for others.
type logbook struct {
	limits Limits
	put    func(context.Context, []multinode.LogLine) error
	online func() bool
	log    *slog.Logger

	mu      sync.Mutex
	room    *sync.Cond // there is room in the window, or there will never be
	pending []multinode.LogLine
	size    int // of pending, in bytes
	kept    int // of all user lines ever accepted, in bytes
	full    bool
	closed  bool
	gone    bool // nothing is stored any more
	stored  int  // batches so far
	wake    chan struct{}
	done    chan struct{}
}

func newLogbook(limits Limits, link Link, log *slog.Logger) *logbook {
	b := &logbook{
		limits: limits, put: link.PutLogs, online: link.Connected, log: log,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	b.room = sync.NewCond(&b.mu)
	return b
}

// add takes one line of the user's. It blocks while the window is full, and with
// it whoever prints.
func (b *logbook) add(stream, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.size >= b.limits.LogWindow && !b.gone {
		b.room.Wait()
	}
	if b.full || b.gone {
		return
	}
	b.kept += len(text) + 1
	if b.kept > b.limits.LogBytes {
		b.full = true
		b.append(streamSystem, fmt.Sprintf(
			"the output exceeds %s per execution: what follows is not kept", size(b.limits.LogBytes)))
		return
	}
	b.append(stream, text)
}

// note takes a line of the runner's own; it never blocks.
func (b *logbook) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.append(streamSystem, fmt.Sprintf(format, args...))
}

func (b *logbook) append(stream, text string) {
	now := time.Now()
	for more := true; more; {
		var piece string
		piece, text = cutEncoded(text, b.limits.LogBatch-lineOverhead)
		b.pending = append(b.pending, multinode.LogLine{Time: now, Stream: stream, Text: piece})
		b.size += encodedSize(piece) + lineOverhead
		more = text != ""
	}
	b.wakeUp()
}

// delay is how long the next batch may wait to grow. Only so many batches are kept
// of an execution: whatever prints all the time is stored more and more seldom, and
// in larger ones.
func (b *logbook) delay() time.Duration {
	delay := b.limits.LogDelay
	for n := b.stored - b.limits.LogSoon; n >= b.limits.LogSlower && delay < b.limits.LogLatest; n -= b.limits.LogSlower {
		delay *= 2
	}
	return delay
}

func (b *logbook) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// close says that nothing more will be added; done is closed once all is stored.
func (b *logbook) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wakeUp()
}

// run stores batches until the book is closed and empty, or ctx ends.
func (b *logbook) run(ctx context.Context) {
	defer close(b.done)
	defer func() {
		b.mu.Lock()
		b.gone = true
		b.mu.Unlock()
		b.room.Broadcast()
	}()
	var last time.Time
	for ctx.Err() == nil {
		batch, wait, over := b.take(time.Since(last))
		switch {
		case len(batch) > 0:
			b.store(ctx, batch)
			last = time.Now()
		case over:
			return
		default:
			b.await(ctx, wait)
		}
	}
}

// await blocks until something has changed, and for at most wait if that is
// above 0.
func (b *logbook) await(ctx context.Context, wait time.Duration) {
	var late <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-b.wake:
	case <-late:
	case <-ctx.Done():
	}
}

// take returns the next batch, or how long to wait for it to grow (0: until
// something is added), or that nothing will come any more.
func (b *logbook) take(sinceLast time.Duration) (batch []multinode.LogLine, wait time.Duration, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == 0 {
		return nil, 0, b.closed
	}
	if wait := b.delay() - sinceLast; wait > 0 && !b.closed && b.size < b.limits.LogBatch {
		return nil, wait, false
	}
	n, bytes := 0, 0
	for n < len(b.pending) {
		line := encodedSize(b.pending[n].Text) + lineOverhead
		if n > 0 && bytes+line > b.limits.LogBatch {
			break
		}
		bytes += line
		n++
	}
	b.stored++
	batch, b.pending = b.pending[:n:n], b.pending[n:]
	b.size -= bytes
	b.room.Broadcast()
	return batch, 0, false
}

// store puts one batch. While there is no connection it keeps trying; over one
// that stands it gives up after a while, or a log that takes nothing any more
// would hold up the user's code for ever.
func (b *logbook) store(ctx context.Context, batch []multinode.LogLine) {
	for {
		attempt, cancel := context.WithTimeout(ctx, b.limits.Flush)
		err := b.put(attempt, batch)
		cancel()
		if err == nil || ctx.Err() != nil {
			return
		}
		if b.online() {
			b.log.Warn("output was lost: it could not be stored", "lines", len(batch), "error", err)
			b.note("%d lines of output could not be stored and are lost", len(batch))
			return
		}
	}
}

func size(bytes int) string {
	if bytes >= 1<<20 && bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
