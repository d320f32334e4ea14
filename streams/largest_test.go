package streams_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/streams"
)

// The longest names, in the script that takes the most bytes.
var (
	longestFunction = strings.Repeat("𝄞", multinode.MaxFunctionName)
	longestProject  = strings.Repeat("𝄞", multinode.MaxProjectName)
)

// TestTheLargestRecordFits takes a record to its largest: the longest names, as
// many ancestors as fit beside a request, all tries used up, the longest reason to
// wait. Each revision is stored by the real server.
func TestTheLargestRecordFits(t *testing.T) {
	s := openStore(t)
	f := spec(longestFunction)
	f.MaxRetries, f.Image = multinode.MaxRetries, strings.Repeat("𝄞", multinode.MaxImageName)
	p, _ := deploy(t, s, longestProject, f)
	r := request(p, f.Name)
	r.Input = []byte(strings.Repeat("𝄞", multinode.MaxInput))
	for len(r.Lineage) < multinode.MaxDepth {
		// Short ones with the character that grows most in JSON, from one byte to six.
		r.Lineage = append(r.Lineage, multinode.Ancestor{
			Function: strings.Repeat("<", 100), ID: fmt.Sprintf("inv-%0124d", len(r.Lineage)),
		})
	}
	r = accept(t, s, r)
	record, _, err := s.Record(t.Context(), r.Key)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 123456789, time.UTC)
	for n := range multinode.MaxRetries + 1 {
		id := multinode.NewID(multinode.ExecutionPrefix)
		for _, e := range []multinode.Event{
			multinode.LaunchIntended{Execution: id + "x", At: at},
			multinode.LaunchDeferred{Execution: id + "x", Reason: strings.Repeat("<", 2000), Until: at, At: at},
			multinode.LaunchIntended{Execution: id, At: at},
			multinode.WorkerLaunched{Execution: id, Worker: multinode.Worker{Kind: strings.Repeat("k", 32), ID: strings.Repeat("<", 256)}, At: at},
			multinode.WorkerStarted{Execution: id, Incarnation: multinode.NewID("worker"), At: at},
			multinode.Doubted{Execution: id, At: at},
			multinode.Interrupted{Execution: id, Why: multinode.Cancel, At: at},
			multinode.ExecutionEnded{Execution: id, Outcome: multinode.OutcomeOutOfMemory, At: at},
		} {
			if record, _, err = s.Apply(t.Context(), r.Key, e); err != nil {
				t.Fatalf("try %d, %T: %v", n, e, err)
			}
		}
	}
	if record.Status != multinode.Failed || len(record.Executions) != multinode.MaxRetries+1 || len(record.Lineage) != multinode.MaxDepth {
		t.Fatalf("%s after %d executions below %d", record.Status, len(record.Executions), len(record.Lineage))
	}
	data, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the largest record has %d bytes of %d", len(data), multinode.MaxPayload)
	if len(data) > multinode.MaxPayload/8 {
		t.Errorf("the record has grown to %d bytes: what bounds it?", len(data))
	}
	last, _ := record.Latest()
	o := multinode.Outcome{
		Kind: multinode.OutcomeFailed, Output: []byte(strings.Repeat("𝄞", multinode.MaxOutput)), Error: strings.Repeat("<", multinode.MaxErrorMessage),
	}
	if _, won, err := s.PutOutcome(t.Context(), r.Key.Execution(last.ID), o); !won || err != nil {
		t.Errorf("the largest outcome: %v, %v", won, err)
	}
	if err := s.PutYield(t.Context(), r.Key.Execution(last.ID), o.Output); err != nil {
		t.Errorf("the largest yield: %v", err)
	}
}

// TestALineageThatDoesNotFitIsRefused: 64 ancestors with the longest names would
// need five times what the server takes as headers.
func TestALineageThatDoesNotFitIsRefused(t *testing.T) {
	s := openStore(t)
	p, _ := deploy(t, s, "p", spec("fn"))
	r := request(p, "fn")
	for len(r.Lineage) < multinode.MaxDepth {
		r.Lineage = append(r.Lineage, multinode.Ancestor{Function: longestFunction, ID: multinode.NewID(multinode.InvocationPrefix)})
	}
	if _, err := s.Accept(t.Context(), r); !errors.Is(err, streams.ErrLineageTooLong) {
		t.Errorf("it was answered with %v", err)
	}
	if _, err := s.Request(t.Context(), r.Key); !errors.Is(err, streams.ErrNotFound) {
		t.Errorf("the request is there: %v", err)
	}
}
