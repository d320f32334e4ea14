package main

import (
	"errors"
	"fmt"
)

// Exit codes. Those above exitUsage are for scripts that await an invocation.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitCancelled   = 3
	exitTimedOut    = 4
	exitInterrupted = 130
)

var errInterrupted = errors.New("interrupted")

// exitError is a failure with an exit code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

func (e *exitError) Unwrap() error { return e.err }

// interrupted is what an interrupt left as it was, and how to find it again.
func interrupted(format string, args ...any) error {
	return &exitError{exitInterrupted, fmt.Errorf("interrupted: "+format, args...)}
}

// usage is a wrong use of the command line.
func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}
