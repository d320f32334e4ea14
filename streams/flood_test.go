package streams_test

import (
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

// TestAFloodOfLogsCostsLogsOnly: those of the flood itself, of which the oldest go.
func TestAFloodOfLogsCostsLogsOnly(t *testing.T) {
	const size = 4 << 20
	s, js := openRaw(t, streams.Options{LogBytes: size})
	p, _ := deploy(t, s, "p", spec("fn"))
	other, flood := accept(t, s, request(p, "fn")), accept(t, s, request(p, "fn"))
	line := []multinode.LogLine{{Time: time.Now().UTC(), Stream: "stdout", Text: "hi"}}
	if err := s.PutLogs(t.Context(), other.Key.Execution("exe-1"), line); err != nil {
		t.Fatal(err)
	}
	batch := []multinode.LogLine{{Time: time.Now().UTC(), Stream: "stdout", Text: strings.Repeat("x", 64<<10)}}
	for range 3 * size / (64 << 10) {
		if err := s.PutLogs(t.Context(), flood.Key.Execution("exe-2"), batch); err != nil {
			t.Fatalf("a full log is refused instead of shortened: %v", err)
		}
	}
	stream, err := js.Stream(t.Context(), "mn-logs")
	if err != nil {
		t.Fatal(err)
	}
	if state := stream.CachedInfo().State; state.Bytes > size {
		t.Errorf("the logs take %d bytes", state.Bytes)
	}
	if lines, next, err := s.Logs(t.Context(), other.Key.Execution("exe-1"), "", 10); err != nil || next != "" || len(lines) != 1 {
		t.Errorf("%d lines, %q, %v", len(lines), next, err)
	}
	// The flooder's own ends with its newest lines.
	if lines, _, err := s.Logs(t.Context(), flood.Key.Execution("exe-2"), "", 1000); err != nil || len(lines) == 0 {
		t.Errorf("%d lines of the flood, %v", len(lines), err)
	}
	// Both are settled as ever.
	for _, r := range []streams.Request{other, flood} {
		if _, _, err := s.Record(t.Context(), r.Key); err != nil {
			t.Fatal(err)
		}
		id := multinode.NewID(multinode.ExecutionPrefix)
		if _, won, err := s.PutOutcome(t.Context(), r.Key.Execution(id), multinode.Outcome{Kind: multinode.OutcomeSucceeded}); !won || err != nil {
			t.Errorf("the outcome: %v, %v", won, err)
		}
		record, _, err := s.Apply(t.Context(), r.Key, multinode.LaunchIntended{Execution: id},
			multinode.ExecutionEnded{Execution: id, Outcome: multinode.OutcomeSucceeded})
		if err != nil || record.Status != multinode.Succeeded {
			t.Errorf("%s, %v", record.Status, err)
		}
	}
}
