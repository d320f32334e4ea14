package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"multinode"
)

// Provisioner starts, finds, watches and ends workers. The package documentation
// is its contract.
type Provisioner interface {
	// Launch sees to it that the execution's worker has been started, once, and
	// returns the handle by which Stop finds it. It returns when the worker is on
	// its way, which may be long before the runner announces itself. When ctx ends
	// first, it is unknown whether a worker was started: call Launch again, or
	// Stop. Errors are *Error.
	Launch(ctx context.Context, intent Intent) (multinode.Worker, error)

	// Stop asks the worker to end, kills all of it after grace, waits until it is
	// gone and removes what was made for it. With no grace it kills at once. It is
	// idempotent, returns nil for what does not exist, and may be called while an
	// earlier call still waits, for instance with a shorter grace. The handle may be
	// zero. When ctx ends first, the worker may still run, and a later Stop goes on.
	Stop(ctx context.Context, executionID string, handle multinode.Worker, grace time.Duration) error

	// List returns everything that exists, alive or not, in no particular order. A
	// worker whose Launch has returned is in it, Started, until Stop; another
	// provisioner on the same place may see it an instant later.
	List(ctx context.Context) ([]Worker, error)

	// Exits delivers the notices of workers that ended, at least once each. It is
	// always the same channel, and is closed by Close.
	Exits() <-chan Exit

	// Place names where its workers run, for good: the same after a restart, and
	// the same for two provisioners if and only if they see the same workers. Of a
	// worker elsewhere List and Stop say nothing.
	Place() string

	// Close ends the watching and leaves all workers running. The other methods
	// must not be called after it; calls under way end soon, with an error.
	Close() error
}

// Intent is what Launch is to start.
type Intent struct {
	// ExecutionID names the worker. It consists of letters, digits, '-' and '_'.
	ExecutionID string
	// ExecutionKey names the execution in subjects and buckets.
	ExecutionKey string

	// These four are for people: names and tags to recognise a worker by.
	Project, Version, Function, Invocation string

	// CPU is in virtual CPUs, MemoryGiB in GiB.
	CPU, MemoryGiB float64

	// Environment is for the runner. Names are those of shell variables.
	Environment map[string]string
	// Credentials is the content of the NATS .creds file of this worker.
	Credentials []byte
	// Code is for compute that runs prepared folders, Image for compute that runs
	// containers; each ignores the other's.
	Code Code
	// Image is a container image by digest that has the runner as its entrypoint.
	Image string
}

// Code is where the prepared version lives, for compute that shares a file
// system with the dispatcher.
type Code struct {
	// ProjectDir is the unpacked bundle. It is only read: a worker gets a copy.
	ProjectDir string
	// Python is the interpreter of the version's environment.
	Python string
}

// Worker is one entry of a List.
type Worker struct {
	ExecutionID string
	// ExecutionKey is that of the Intent; empty where it got lost.
	ExecutionKey string
	Handle       multinode.Worker
	// Started is false where a launch was cut off before anything ran.
	Started bool
	// Alive tells whether the runner still runs.
	Alive bool
}

// Exit is the notice that a worker has ended.
type Exit struct {
	ExecutionID string
	// OutOfMemory is true only where the compute says that it killed the worker
	// for want of memory.
	OutOfMemory bool
	// NotStarted is true only where nothing of the worker ever ran: a failed launch,
	// and no try. Kind then says what to do about it, as that of an Error does.
	NotStarted bool
	Kind       Kind
	// Detail is for people: how it ended, as far as that is known, and the last
	// lines the runner itself wrote. At most a few KiB.
	Detail string
}

// maxExecutionID keeps an execution ID usable as the name of a file, a container
// and a task.
const maxExecutionID = 128

// Validate reports everything that makes the intent unusable for any compute.
func (i Intent) Validate() error {
	errs := []error{ValidateExecutionID(i.ExecutionID)}
	for name, value := range i.Environment {
		if !variableName(name) {
			errs = append(errs, fmt.Errorf("%q is not the name of an environment variable", name))
		}
		if strings.ContainsRune(value, 0) {
			errs = append(errs, fmt.Errorf("the environment variable %s contains a zero byte", name))
		}
	}
	return errors.Join(errs...)
}

// ValidateExecutionID accepts 1 to 128 letters, digits, '-' and '_'.
func ValidateExecutionID(id string) error {
	if id == "" || len(id) > maxExecutionID {
		return fmt.Errorf("an execution ID has 1 to %d characters, not %d", maxExecutionID, len(id))
	}
	for _, c := range []byte(id) {
		if c != '-' && !wordByte(c) {
			return fmt.Errorf("the execution ID %q contains other characters than letters, digits, '-' and '_'", id)
		}
	}
	return nil
}

func variableName(s string) bool {
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for _, c := range []byte(s) {
		if !wordByte(c) {
			return false
		}
	}
	return true
}

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
