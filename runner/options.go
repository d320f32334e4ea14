package runner

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
)

// Link is a worker's line to the rest of the system. All methods may be called
// from several goroutines; those that store try again until ctx ends.
type Link interface {
	// Hello announces the worker until it is answered; an error means that it
	// is to end without a word.
	Hello(ctx context.Context) (multinode.Assignment, error)
	// Beat gives a sign of life; an error means that nobody answered.
	Beat(ctx context.Context, b multinode.Beat) (multinode.Desired, error)
	// Desires delivers early what the next beat would be answered.
	Desires() <-chan multinode.Desired
	PutYield(ctx context.Context, output []byte) error
	PutLogs(ctx context.Context, lines []multinode.LogLine) error
	// PutOutcome stores the outcome unless there is one: then it returns false.
	PutOutcome(ctx context.Context, o multinode.Outcome) (stored bool, err error)
	// Connected tells whether the connection stands, whoever listens.
	Connected() bool
	Close()
}

// Options say what to run and how to reach the system.
type Options struct {
	// Dial opens the link; it is closed when Run returns.
	Dial func(ctx context.Context) (Link, error)
	// Python is the interpreter of the version's environment; package multinode
	// has to be importable there.
	Python string
	// ProjectDir holds main.py and is the working directory of the user's code.
	ProjectDir string
	// WorkerDir receives a file "group" with the process group of the user's
	// code, so that whoever sweeps up can find it. Empty: no file is written.
	WorkerDir string
	// Environment is that of the user's code, as os.Environ gives it. What the
	// assignment adds is added to it.
	Environment []string
	Limits      Limits
	Logger      *slog.Logger
	// Clock is what the timeout, the grace, the lease and the beats go by. Optional:
	// the machine's.
	Clock clockwork.Clock
}

// Limits are the runner's clocks and sizes.
type Limits struct {
	// Hello is how long the worker tries to get its assignment.
	Hello time.Duration
	// Beat is the time between two signs of life.
	Beat time.Duration
	// Lease is how long the user's code may run without a connection.
	Lease time.Duration
	// Grace is how long interrupted code may go on.
	Grace time.Duration
	// Exit is how long the process may take to end after its function has.
	Exit time.Duration
	// Flush is how long storing the last lines and the last yield may take.
	Flush time.Duration
	// Outcome is how long the runner tries to store the outcome. Nothing runs
	// meanwhile, and the work is done: it is worth waiting for.
	Outcome time.Duration
	// Stop is how much time there is in all once the context of Run has ended:
	// half of it for the user's code, half of it to store how it ended.
	Stop time.Duration
	// LogBytes is how much output is kept of an execution.
	LogBytes int
	// LogBatch and LogDelay bound a batch of lines: by bytes as they are stored,
	// and by the time for which a line may wait for others.
	LogBatch int
	LogDelay time.Duration
	// LogSoon is after how many batches lines wait for longer, as only so many are
	// kept of an execution: twice as long each time that LogSlower more have been
	// stored, up to LogLatest or somewhat above it.
	LogSoon, LogSlower int
	LogLatest          time.Duration
	// LogWindow is how many bytes may wait to be stored; then the user's code
	// has to wait where it prints.
	LogWindow int
	// Line is the length in bytes at which a line is cut in two.
	Line int
}

// DefaultLimits returns the limits of production.
func DefaultLimits() Limits {
	return Limits{
		Hello:     multinode.StartDeadline,
		Beat:      multinode.BeatInterval,
		Lease:     multinode.WorkerLease,
		Grace:     multinode.Grace,
		Exit:      10 * time.Second,
		Flush:     30 * time.Second,
		Outcome:   multinode.CredentialMargin,
		Stop:      10 * time.Second,
		LogBytes:  64 << 20,
		LogBatch:  64 << 10,
		LogDelay:  50 * time.Millisecond,
		LogSoon:   1024,
		LogSlower: 128,
		LogLatest: 4 * time.Minute,
		LogWindow: 1 << 20,
		Line:      64 << 10,
	}
}

// check returns all that is wrong with the options.
func (o Options) check() error {
	var errs []error
	need := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	need(o.Dial != nil, "runner: Options.Dial is missing")
	need(o.Python != "", "runner: Options.Python is missing (environment variable MULTINODE_PYTHON)")
	need(o.ProjectDir != "", "runner: Options.ProjectDir is missing (environment variable MULTINODE_PROJECT_DIR)")
	need(o.Logger != nil, "runner: Options.Logger is missing")
	l := o.Limits
	for _, d := range []time.Duration{l.Hello, l.Beat, l.Lease, l.Grace, l.Exit, l.Flush, l.Outcome, l.Stop, l.LogDelay, l.LogLatest} {
		need(d > 0, "runner: Options.Limits has a duration that is not above 0; start from DefaultLimits")
	}
	for _, n := range []int{l.LogBytes, l.LogBatch, l.LogSoon, l.LogSlower, l.LogWindow, l.Line} {
		need(n > 0, "runner: Options.Limits has a size that is not above 0; start from DefaultLimits")
	}
	if o.ProjectDir != "" {
		info, err := os.Stat(o.ProjectDir)
		need(err == nil && info.IsDir(), "runner: the project folder "+o.ProjectDir+" does not exist")
	}
	return errors.Join(errs...)
}
