package process

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Options of a Provisioner. Start from DefaultOptions.
type Options struct {
	// Dir is the folder in which workers live. Provisioners on the same folder,
	// at the same time or one after the other, share their workers. It must be on a
	// local file system that may execute files.
	Dir string
	// Command is the runner and its arguments. Empty means this executable with
	// the argument "runner".
	Command []string
	// MaxWorkers is how many workers may live at a time; 0 means no limit. More
	// are refused with NoCapacity.
	MaxWorkers int
	// Environ is the environment of which a few variables, such as PATH, are
	// passed on to workers. Nil means that of this process.
	Environ []string
	// LogLimit is the size in bytes above which a runner's log is cut down to its
	// newest quarter.
	LogLimit int64
	// Housekeeping is how often logs are cut and leftovers removed.
	Housekeeping time.Duration
	// PollInterval is how often the end of a worker is looked for where the kernel
	// cannot announce it.
	PollInterval time.Duration
	Logger       *slog.Logger
}

// DefaultOptions returns the options for workers in dir.
func DefaultOptions(dir string) Options {
	return Options{
		Dir:          dir,
		LogLimit:     1 << 20,
		Housekeeping: time.Minute,
		PollInterval: 200 * time.Millisecond,
		Logger:       slog.New(slog.DiscardHandler),
	}
}

// complete checks everything at once and fills in what is computed.
func (o Options) complete() (Options, error) {
	var errs []error
	check := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	check(o.Dir != "", "Dir is empty")
	check(o.MaxWorkers >= 0, "MaxWorkers is negative")
	check(o.LogLimit > 0, "LogLimit must be above 0")
	check(o.Housekeeping > 0, "Housekeeping must be above 0")
	check(o.PollInterval > 0, "PollInterval must be above 0")
	check(o.Logger != nil, "Logger is nil")
	dir, err := filepath.Abs(o.Dir)
	errs = append(errs, err)
	o.Dir = dir
	if len(o.Command) == 0 {
		self, err := os.Executable()
		errs = append(errs, err)
		o.Command = []string{self, "runner"}
	}
	// Workers have another working directory, and another PATH perhaps. What is not
	// found now is reported by Launch: it may be there later.
	if program, err := exec.LookPath(o.Command[0]); err == nil {
		o.Command = append([]string{program}, o.Command[1:]...)
	}
	program, err := filepath.Abs(o.Command[0])
	errs = append(errs, err)
	o.Command = append([]string{program}, o.Command[1:]...)
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if err := errors.Join(errs...); err != nil {
		return o, fmt.Errorf("options of the process provisioner: %w", err)
	}
	return o, nil
}
