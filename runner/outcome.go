package runner

import (
	"fmt"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"multinode"
)

// killReason says why the runner killed the user's code itself.
type killReason int

const (
	notKilled killReason = iota
	// killedGrace: it went on for too long after an interrupt.
	killedGrace
	// killedLease: there was no connection for too long.
	killedLease
	// killedStop: the worker itself had to end.
	killedStop
	// killedFault: it broke the protocol.
	killedFault
)

// ending is all that is known of how the user's code ended.
type ending struct {
	// interrupt is the first one that was asked for: Cancel, TimeOut or "".
	interrupt multinode.Desired
	// stopped: the worker itself was told to end, by nobody who knows of
	// invocations.
	stopped bool
	// reached: the harness has raised an interrupt in the user's code.
	reached bool
	// started: the user's function has begun.
	started bool
	killed  killReason
	// fault describes what was wrong with an event, or why there was no process.
	fault string
	// final is the last event: frameOutput, frameError, or 0 without one.
	final   frameKind
	output  []byte
	failure errorBody
	// exit is the wait status of the main process.
	exit syscall.WaitStatus

	timeout, grace, lease time.Duration
}

// interrupting tells whether the user's code was to be interrupted, and goes on as
// if it had not heard of it.
func (e ending) interrupting() bool {
	return (e.interrupt != "" || e.stopped) && !e.reached && e.final == 0 && e.killed == notKilled
}

// outcome decides what is stored. An interrupt decides it only where it has
// reached the user's code, or where that ended without a last word: a function
// that was through before is what it is.
func (e ending) outcome() multinode.Outcome {
	switch {
	case e.fault != "":
		return e.unsuccessful(e.fault)
	case e.final == frameOutput && !e.reached:
		return multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: e.output}
	case e.final == frameOutput && e.interrupt != "":
		o := e.unsuccessful("")
		o.Output = e.output
		return o
	case e.final == frameOutput && e.stopped:
		o := e.unsuccessful("the worker was stopped from outside while the function ran")
		o.Output = e.output
		return o
	case e.final == frameOutput:
		// A signal that somebody else has sent, and that the function has survived.
		return multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: e.output}
	case e.final == frameError && !e.reached:
		return multinode.Outcome{Kind: multinode.OutcomeFailed, Error: truncate(e.failure.Message)}
	case e.final == frameError && e.failure.Kind != "failed" && e.interrupt != "":
		return e.unsuccessful("")
	case e.final == frameError && e.failure.Kind != "failed" && e.stopped:
		return e.unsuccessful("the worker was stopped from outside before the function returned")
	case e.final == frameError:
		return e.unsuccessful(e.failure.Message)
	}
	return e.unsuccessful(e.crash())
}

// unsuccessful returns the outcome that an interrupt decides, or a failure.
func (e ending) unsuccessful(text string) multinode.Outcome {
	kind := multinode.OutcomeFailed
	switch e.interrupt {
	case multinode.Cancel:
		kind = multinode.OutcomeCancelled
	case multinode.TimeOut:
		kind = multinode.OutcomeTimedOut
		if text == "" {
			text = fmt.Sprintf("the function ran for longer than its timeout of %v", e.timeout)
		}
	}
	return multinode.Outcome{Kind: kind, Error: truncate(text)}
}

// crash describes an end without a last word.
func (e ending) crash() string {
	switch e.killed {
	case killedGrace:
		return fmt.Sprintf("the function did not end within %v of being interrupted, and was killed", e.grace)
	case killedLease:
		return fmt.Sprintf("the worker had no connection for %v and therefore stopped the function", e.lease)
	case killedStop:
		return "the worker was stopped from outside before the function returned"
	}
	before := "before the function returned"
	if !e.started {
		before = "before the function began"
	}
	switch {
	case e.exit.Signaled() && e.exit.Signal() == syscall.SIGKILL:
		return "the process was killed by SIGKILL (perhaps out of memory) " + before
	case e.exit.Signaled():
		return fmt.Sprintf("the process was killed by %s %s", unix.SignalName(e.exit.Signal()), before)
	}
	return fmt.Sprintf("the process ended with exit code %d %s (os._exit or a crash)", e.exit.ExitStatus(), before)
}

// checkOutput returns what is wrong with an output or a yield, or "".
func checkOutput(body []byte) string {
	switch {
	case !utf8.Valid(body):
		return "the function's output is not valid UTF-8"
	case utf8.RuneCount(body) > multinode.MaxOutput:
		return fmt.Sprintf("the function's output exceeds %d characters", multinode.MaxOutput)
	}
	return ""
}

// truncate cuts an error text to what may be stored.
func truncate(text string) string {
	runes := 0
	for i := range text {
		if runes == multinode.MaxErrorMessage {
			return text[:i]
		}
		runes++
	}
	return text
}
