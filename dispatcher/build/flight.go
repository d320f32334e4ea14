package build

import (
	"context"
	"errors"
	"sync"
)

// maxLines bounds the progress that is kept for those who join late.
const maxLines = 5000

// flights lets concurrent callers share work that has the same key, and what it
// tells. Work goes on as long as one caller waits for it. The zero value is ready.
type flights[T any] struct {
	mu      sync.Mutex
	running map[string]*flight[T]
}

type flight[T any] struct {
	cancel  context.CancelFunc
	waiters int // guarded by flights.mu

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed and replaced with each change
	done    bool
	value   T
	err     error
}

// do runs work, or waits for the same work of another caller. It calls tell in
// the caller's goroutine, with all lines from the work's beginning on.
func (f *flights[T]) do(ctx context.Context, key string, tell func(string), work func(context.Context, func(string)) (T, error)) (T, error) {
	for {
		one, joined := f.join(ctx, key, work)
		value, err := one.wait(ctx, tell)
		f.leave(key, one)
		// What belonged to a caller that went away, such as its connection to the
		// bundle, may have broken work that others still want.
		if joined && errors.Is(err, context.Canceled) && ctx.Err() == nil {
			continue
		}
		return value, err
	}
}

func (f *flights[T]) join(ctx context.Context, key string, work func(context.Context, func(string)) (T, error)) (one *flight[T], joined bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one, ok := f.running[key]; ok {
		one.waiters++
		return one, true
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one = &flight[T]{cancel: cancel, waiters: 1, changed: make(chan struct{})}
	if f.running == nil {
		f.running = map[string]*flight[T]{}
	}
	f.running[key] = one
	go func() {
		value, err := work(ctx, one.tell)
		f.forget(key, one)
		one.finish(value, err)
	}()
	return one, false
}

// leave ends the work where nobody waits for it any more.
func (f *flights[T]) leave(key string, one *flight[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.waiters--; one.waiters == 0 {
		one.cancel()
		if f.running[key] == one {
			delete(f.running, key)
		}
	}
}

// forget comes before the result is known, so that who comes later starts anew.
func (f *flights[T]) forget(key string, one *flight[T]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[key] == one {
		delete(f.running, key)
	}
}

func (o *flight[T]) tell(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.lines) == maxLines {
		line = "(more lines follow that are not shown)"
	} else if len(o.lines) > maxLines {
		return
	}
	o.lines = append(o.lines, line)
	o.change()
}

func (o *flight[T]) finish(value T, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.value, o.err, o.done = value, err, true
	o.change()
}

func (o *flight[T]) change() {
	close(o.changed)
	o.changed = make(chan struct{})
}

func (o *flight[T]) wait(ctx context.Context, tell func(string)) (T, error) {
	for told := 0; ; {
		o.mu.Lock()
		lines, changed, done := o.lines[told:], o.changed, o.done
		o.mu.Unlock()
		for _, line := range lines {
			tell(line)
		}
		told += len(lines)
		if done {
			return o.value, o.err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			var zero T
			return zero, ctx.Err()
		}
	}
}
