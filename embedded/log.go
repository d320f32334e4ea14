package embedded

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// Lines of the server are bounded: each forbidden publish of a worker makes
// one, and workers run other people's code.
const (
	logLinesPerSecond = 10
	logBurst          = 100
)

// serverLog passes the server's lines on.
type serverLog struct {
	to         *slog.Logger
	limit      *rate.Limiter
	suppressed atomic.Int64
	fatal      atomic.Pointer[string]
	starved    atomic.Bool // a write has found no room
}

func newServerLog(to *slog.Logger) *serverLog {
	return &serverLog{to: to, limit: rate.NewLimiter(logLinesPerSecond, logBurst)}
}

func (l *serverLog) line(level slog.Level, format string, args []any) {
	if !l.to.Enabled(context.Background(), level) {
		return
	}
	if !l.limit.Allow() {
		l.suppressed.Add(1)
		return
	}
	attrs := []slog.Attr{slog.String("line", fmt.Sprintf(format, args...))}
	if n := l.suppressed.Swap(0); n > 0 {
		attrs = append(attrs, slog.Int64("lines_suppressed", n))
	}
	l.to.LogAttrs(context.Background(), level, "nats-server", attrs...)
}

func (l *serverLog) Noticef(format string, v ...any) { l.line(slog.LevelDebug, format, v) }

// Warnf is for what the server coped with, such as a file that it rebuilds after
// a crash: nothing that anybody has to do something about.
func (l *serverLog) Warnf(format string, v ...any) { l.line(slog.LevelInfo, format, v) }
func (l *serverLog) Errorf(format string, v ...any) {
	l.heed(fmt.Sprintf(format, v...)) // also what is not passed on
	l.line(slog.LevelError, format, v)
}
func (l *serverLog) Debugf(string, ...any) {}
func (l *serverLog) Tracef(string, ...any) {}

// Fatalf does not end the process. The server goes on without what failed;
// Start reads the first such line and gives up.
func (l *serverLog) Fatalf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.fatal.CompareAndSwap(nil, &text)
	l.to.Error("nats-server", "line", text)
}

// failure returns the first fatal line, if there was any.
func (l *serverLog) failure() (string, bool) {
	if text := l.fatal.Load(); text != nil {
		return *text, true
	}
	return "", false
}
