// Package embeddedtest starts real NATS servers for tests.
package embeddedtest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"multinode/embedded"
)

// closeWithin is far above what closing takes; a test that reaches it has found
// something.
const closeWithin = 30 * time.Second

// Options are those of Start: a folder of the test's own, any port, no syncing
// of writes, and silence.
func Options(t testing.TB) embedded.Options {
	t.Helper()
	o := embedded.DefaultOptions(t.TempDir())
	o.SyncAlways = false
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

// Start returns a running server that is closed at the end of the test.
func Start(t testing.TB) *embedded.Server {
	t.Helper()
	return StartWith(t, Options(t))
}

// StartWith is Start with options of the test's own. The test may close the
// server earlier, to start it again on the same folder.
func StartWith(t testing.TB, o embedded.Options) *embedded.Server {
	t.Helper()
	s, err := embedded.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(t, s) })
	return s
}

// Close closes the server and waits for it.
func Close(t testing.TB, s *embedded.Server) {
	t.Helper()
	// Not the test's context: that has ended when cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close the embedded server: %v", err)
	}
}
