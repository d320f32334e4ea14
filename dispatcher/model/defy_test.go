package model_test

import (
	"testing"

	"multinode"
)

// TestWorkersThatOnlyTheClockEnds: one that has fallen silent is called lost, one
// that does not stop is killed, one that does not time itself is timed.
func TestWorkersThatOnlyTheClockEnds(t *testing.T) {
	w := newWorld(t, t.TempDir(), history{Clocked: true, Dispatchers: 2, Concurrency: []int{4, 4}, Retries: []int{1, 1}})
	defer w.close()
	for _, does := range []behaviour{silent, stubborn, overruns} {
		w.start(step{Do: start, Parent: -1, Script: []behaviour{does}})
	}
	status := func(n int) multinode.Invocation {
		record, _, err := w.store.Record(w.ctx, w.started[n].key)
		w.must(err)
		return record
	}
	w.wait("the stubborn one's start", func() bool { return status(1).Status == multinode.Running })
	w.cancel(w.started[1])
	for n, want := range []struct {
		status  multinode.Status
		outcome multinode.OutcomeKind
	}{
		{multinode.Succeeded, multinode.OutcomeLost}, // and tried again
		{multinode.Cancelled, multinode.OutcomeCancelled},
		{multinode.TimedOut, multinode.OutcomeTimedOut},
	} {
		w.end(w.started[n])
		if r := status(n); r.Status != want.status || r.Executions[0].Outcome != want.outcome {
			t.Errorf("%v ended as %s", w.started[n].step, text(r))
		}
	}
	w.finish()
	w.check()
}
