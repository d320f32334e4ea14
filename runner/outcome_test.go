package runner

import (
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"multinode"
)

func TestOutcome(t *testing.T) {
	const (
		cancel, timeOut = multinode.Cancel, multinode.TimeOut
		succeeded       = multinode.OutcomeSucceeded
		failed          = multinode.OutcomeFailed
		cancelled       = multinode.OutcomeCancelled
		timedOut        = multinode.OutcomeTimedOut
	)
	output, value := frameOutput, []byte("1")
	valueError := errorBody{"failed", "ValueError: x"}
	exit3, segv, kill := syscall.WaitStatus(3<<8), syscall.WaitStatus(syscall.SIGSEGV), syscall.WaitStatus(syscall.SIGKILL)
	for name, test := range map[string]struct {
		end    ending
		kind   multinode.OutcomeKind
		output string
		err    string
	}{
		"returned":                          {ending{final: output, output: value}, succeeded, "1", ""},
		"returned before the cancel came":   {ending{final: output, output: value, interrupt: cancel}, succeeded, "1", ""},
		"returned after the cancel":         {ending{final: output, output: value, interrupt: cancel, reached: true}, cancelled, "1", ""},
		"returned after the time-out":       {ending{final: output, output: value, interrupt: timeOut, reached: true}, timedOut, "1", "the function ran for longer than its timeout of 1h0m0s"},
		"returned after a foreign signal":   {ending{final: output, output: value, reached: true}, succeeded, "1", ""},
		"returned after the stop":           {ending{final: output, output: value, reached: true, stopped: true}, failed, "1", "the worker was stopped from outside while the function ran"},
		"returned before the stop":          {ending{final: output, output: value, stopped: true}, succeeded, "1", ""},
		"returned after stop and cancel":    {ending{final: output, output: value, reached: true, stopped: true, interrupt: cancel}, cancelled, "1", ""},
		"raised":                            {ending{final: frameError, failure: valueError}, failed, "", "ValueError: x"},
		"raised before the cancel came":     {ending{final: frameError, failure: valueError, interrupt: cancel}, failed, "", "ValueError: x"},
		"raised while cleaning up":          {ending{final: frameError, failure: valueError, interrupt: cancel, reached: true}, cancelled, "", "ValueError: x"},
		"raised the cancel":                 {ending{final: frameError, failure: errorBody{"cancelled", "I"}, interrupt: cancel, reached: true}, cancelled, "", ""},
		"raised the time-out":               {ending{final: frameError, failure: errorBody{"timed_out", "I"}, interrupt: timeOut, reached: true}, timedOut, "", "the function ran for longer than its timeout of 1h0m0s"},
		"raised a cancel nobody asked for":  {ending{final: frameError, failure: errorBody{"cancelled", "I"}, reached: true}, failed, "", "I"},
		"raised at the stop":                {ending{final: frameError, failure: errorBody{"cancelled", "I"}, reached: true, stopped: true}, failed, "", "the worker was stopped from outside before the function returned"},
		"exited":                            {ending{started: true, exit: exit3}, failed, "", "the process ended with exit code 3 before the function returned (os._exit or a crash)"},
		"exited while importing":            {ending{exit: exit3}, failed, "", "the process ended with exit code 3 before the function began (os._exit or a crash)"},
		"crashed":                           {ending{started: true, exit: segv}, failed, "", "the process was killed by SIGSEGV before the function returned"},
		"crashed after the cancel":          {ending{started: true, exit: segv, interrupt: cancel}, cancelled, "", "the process was killed by SIGSEGV before the function returned"},
		"killed by somebody":                {ending{started: true, exit: kill}, failed, "", "the process was killed by SIGKILL (perhaps out of memory) before the function returned"},
		"killed after the grace, cancelled": {ending{started: true, exit: kill, killed: killedGrace, interrupt: cancel}, cancelled, "", "the function did not end within 2m0s of being interrupted, and was killed"},
		"killed after the grace, timed out": {ending{started: true, exit: kill, killed: killedGrace, interrupt: timeOut, reached: true}, timedOut, "", "the function did not end within 2m0s of being interrupted, and was killed"},
		"killed by the lease":               {ending{started: true, exit: kill, killed: killedLease}, failed, "", "the worker had no connection for 1m0s and therefore stopped the function"},
		"killed by the lease, cancelled":    {ending{started: true, exit: kill, killed: killedLease, interrupt: cancel, reached: true}, cancelled, "", "the worker had no connection for 1m0s and therefore stopped the function"},
		"killed by the stop":                {ending{started: true, exit: kill, killed: killedStop, stopped: true}, failed, "", "the worker was stopped from outside before the function returned"},
		"broke the protocol":                {ending{started: true, exit: kill, killed: killedFault, fault: "rubbish", final: output, output: value}, failed, "", "rubbish"},
	} {
		t.Run(name, func(t *testing.T) {
			test.end.timeout, test.end.grace, test.end.lease = time.Hour, 2*time.Minute, time.Minute
			got := test.end.outcome()
			if got.Kind != test.kind || string(got.Output) != test.output || got.Error != test.err {
				t.Errorf("got %s, output %q, error %q; want %s, output %q, error %q",
					got.Kind, got.Output, got.Error, test.kind, test.output, test.err)
			}
		})
	}
}

func TestTruncateCountsCharacters(t *testing.T) {
	long := strings.Repeat("é", multinode.MaxErrorMessage+1)
	if got := utf8.RuneCountInString(truncate(long)); got != multinode.MaxErrorMessage {
		t.Errorf("%d characters are left", got)
	}
	if short := "é"; truncate(short) != short {
		t.Error("a short text was changed")
	}
}

func TestCheckOutput(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, strings.Repeat("é", multinode.MaxOutput): true,
		strings.Repeat("x", multinode.MaxOutput+1): false, "\xff": false,
	} {
		if fault := checkOutput([]byte(text)); (fault == "") != ok {
			t.Errorf("checkOutput(%d bytes) = %q", len(text), fault)
		}
	}
}
