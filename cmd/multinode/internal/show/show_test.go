package show

import (
	"strings"
	"testing"

	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

func TestValues(t *testing.T) {
	for got, want := range map[string]string{
		Memory(0.25):          "256 MiB",
		Memory(0.1):           "102.4 MiB",
		Memory(1):             "1 GiB",
		Memory(1.5):           "1.5 GiB",
		Seconds(0):            "0s",
		Seconds(59):           "59s",
		Seconds(3600):         "1h",
		Seconds(86_399):       "23h 59m 59s",
		Count(1, "file"):      "1 file",
		Count(2, "file"):      "2 files",
		Size(1023):            "1023 B",
		Size(1536):            "1.5 KiB",
		Size(3 << 20):         "3.0 MiB",
		Block("a\n\x07b\n\n"): "  a\n  b\n",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestProgress(t *testing.T) {
	reason, why, before := "no capacity", "ValueError:\nno good", "the first"
	between := "between tries: 2 of 3 have failed; the next try is due"
	failed := wire.OutcomeFailed
	executions := []wire.ExecutionSummary{{}, {Outcome: &failed, ErrorMessage: &why}, {Outcome: &failed, ErrorMessage: &before}}
	spec := wire.ExecutionSpec{MaxRetries: 2}
	for want, i := range map[string]wire.InvocationInfo{
		"RUNNING": {Status: wire.StatusRunning},
		"PENDING, 2 of 3 tries have failed (ValueError: no good); the next try is due": {Status: wire.StatusPending, NumFailedAttempts: 2, WaitingReason: &between, ExecutionSpec: spec, Executions: executions},
		"PENDING, 2 of 3 tries have failed: no capacity":                               {Status: wire.StatusPending, NumFailedAttempts: 2, WaitingReason: &reason, ExecutionSpec: spec},
		"RUNNING, 2 of 3 tries have failed (ValueError: no good)":                      {Status: wire.StatusRunning, NumFailedAttempts: 2, ExecutionSpec: spec, Executions: executions},
		"CANCELLING, 1 of 1 try has failed":                                            {Status: wire.StatusCancelling, NumFailedAttempts: 1},
		"FAILED, 1 failed attempt":                                                     {Status: wire.StatusFailed, NumFailedAttempts: 1, WaitingReason: &reason, Executions: executions},
	} {
		if got := Progress(i); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestEveryStatusIsShown(t *testing.T) {
	for _, s := range (wire.Status("")).Enum() {
		if c := Status(s.(wire.Status), term.Style{}); c.Text != string(s.(wire.Status)) {
			t.Errorf("%v is shown as %q", s, c.Text)
		}
	}
}

func TestChildren(t *testing.T) {
	c := wire.Children{
		Counts: map[wire.Status]int{wire.StatusSucceeded: 9_990, wire.StatusRunning: 10}, Complete: true,
		Newest: []wire.Child{{InvocationID: "inv-1", FunctionName: "f", Status: wire.StatusRunning}},
	}
	if got := childCounts(c); got != "10000 (10 RUNNING, 9990 SUCCEEDED)" {
		t.Errorf("got %q", got)
	}
	text := Invocation(wire.InvocationInfo{Children: &c}, term.Style{})
	for _, want := range []string{"children  10000 (10 RUNNING", "Newest 1 children", "inv-1", "FUNCTION", "f "} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	c.Complete = false
	if got := childCounts(c); !strings.HasPrefix(got, "the newest 10000 (") {
		t.Errorf("got %q", got)
	}
	c = wire.Children{Counts: map[wire.Status]int{}, Complete: true}
	if text := Invocation(wire.InvocationInfo{Children: &c}, term.Style{}); strings.Contains(strings.ToLower(text), "children") {
		t.Errorf("no children are shown as\n%s", text)
	}
}
