// Package testlog shows what a running system logs in the output of the test that
// runs it.
package testlog

import (
	"io"
	"sync"
	"testing"
)

// writer logs what is said before the test ends; afterwards nobody may.
type writer struct {
	mu   sync.Mutex
	t    testing.TB
	done bool
}

// New returns a writer to the test's log. What is written after the test has
// ended is dropped: parts of a system may still say that they stop.
func New(t testing.TB) io.Writer {
	w := &writer{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done = true
	})
	return w
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}
