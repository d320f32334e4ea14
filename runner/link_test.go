package runner

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode"
)

// memoryLink is a Link that keeps everything in memory.
type memoryLink struct {
	desires chan multinode.Desired

	mu         sync.Mutex
	changed    chan struct{} // closed and replaced at each change
	assignment multinode.Assignment
	refuse     error
	answer     multinode.Desired
	offline    bool
	taken      bool // an outcome is there already
	hold       chan struct{}
	closed     bool

	lines   []multinode.LogLine
	batches int
	largest int // batch, in bytes as they are stored
	yields  []string
	beats   []multinode.Beat
	outcome *multinode.Outcome
}

func newMemoryLink(a multinode.Assignment) *memoryLink {
	return &memoryLink{
		assignment: a, answer: multinode.Run,
		desires: make(chan multinode.Desired, 16), changed: make(chan struct{}),
	}
}

// set changes the link's behaviour.
func (l *memoryLink) set(change func(*memoryLink)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
	close(l.changed)
	l.changed = make(chan struct{})
}

// await blocks until the condition holds.
func (l *memoryLink) await(t *testing.T, what string, condition func(*memoryLink) bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		l.mu.Lock()
		ok, changed := condition(l), l.changed
		l.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("waited too long for %s; lines so far:\n%s", what, l.text())
		}
	}
}

func (l *memoryLink) awaitLine(t *testing.T, text string) {
	t.Helper()
	l.await(t, "the line "+text, func(l *memoryLink) bool {
		return slices.ContainsFunc(l.lines, func(line multinode.LogLine) bool { return line.Text == text })
	})
}

// text returns all lines, each with its stream in front.
func (l *memoryLink) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, line := range l.lines {
		b.WriteString(line.Stream + ": " + line.Text + "\n")
	}
	return b.String()
}

// stored returns how many batches and lines of output there are.
func (l *memoryLink) stored() (batches, lines int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.batches, len(l.lines)
}

func (l *memoryLink) Hello(context.Context) (multinode.Assignment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.assignment, l.refuse
}

func (l *memoryLink) Beat(_ context.Context, b multinode.Beat) (answer multinode.Desired, err error) {
	l.set(func(l *memoryLink) {
		l.beats = append(l.beats, b)
		answer = l.answer
		if l.offline {
			err = errors.New("nobody is there")
		}
	})
	return answer, err
}

func (l *memoryLink) Desires() <-chan multinode.Desired { return l.desires }

func (l *memoryLink) PutYield(ctx context.Context, output []byte) error {
	return l.store(ctx, func(l *memoryLink) { l.yields = append(l.yields, string(output)) })
}

func (l *memoryLink) PutLogs(ctx context.Context, lines []multinode.LogLine) error {
	encoded, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	return l.store(ctx, func(l *memoryLink) {
		l.largest = max(l.largest, len(encoded))
		l.lines = append(l.lines, lines...)
		l.batches++
	})
}

func (l *memoryLink) PutOutcome(ctx context.Context, o multinode.Outcome) (bool, error) {
	stored := false
	err := l.store(ctx, func(l *memoryLink) {
		if !l.taken {
			l.outcome, l.taken, stored = &o, true, true
		}
	})
	return stored, err
}

// store applies the change once the link is online and not held.
func (l *memoryLink) store(ctx context.Context, change func(*memoryLink)) error {
	for {
		l.mu.Lock()
		ready, changed := !l.offline && l.hold == nil, l.changed
		l.mu.Unlock()
		if ready {
			l.set(change)
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *memoryLink) Connected() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.offline
}

func (l *memoryLink) Close() { l.set(func(l *memoryLink) { l.closed = true }) }
