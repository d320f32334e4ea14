package model_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/streams"
	"multinode/streams/index"
)

// check holds what is stored against what was drawn and what Next allows.
func (w *world) check() {
	w.replay()
	for _, i := range w.started {
		w.checkInvocation(i)
	}
	w.checkIndex()
	w.fleet.mu.Lock()
	wrong := w.fleet.wrong
	w.fleet.mu.Unlock()
	if len(wrong) > 0 {
		w.dump()
		w.t.Fatalf("%s", strings.Join(wrong, "\n"))
	}
}

// revisions calls fn for each revision of each record in their order; record is
// nil for a deletion.
func (w *world) revisions(fn func(sequence uint64, key multinode.InvocationKey, record *multinode.Invocation)) {
	stream, err := w.js.Stream(w.ctx, recordsStream)
	w.must(err)
	state := stream.CachedInfo().State
	for sequence := max(state.FirstSeq, 1); sequence <= state.LastSeq; sequence++ {
		m, err := stream.GetMsg(w.ctx, sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			w.fleet.violation("the revision %d is not kept", sequence)
			continue
		}
		w.must(err)
		key, err := streams.ParseInvocationKey(strings.TrimPrefix(m.Subject, "$KV.mn-invocations."))
		w.must(err)
		if len(m.Data) == 0 {
			fn(sequence, key, nil)
			continue
		}
		var record multinode.Invocation
		w.must(json.Unmarshal(m.Data, &record))
		fn(sequence, key, &record)
	}
}

// replay holds every revision against the one before, and the number of live
// executions against the quota after each.
func (w *world) replay() {
	records := map[multinode.InvocationKey]*multinode.Invocation{}
	deleted := map[multinode.InvocationKey]bool{}
	live := map[string]int{}
	w.revisions(func(sequence uint64, key multinode.InvocationKey, record *multinode.Invocation) {
		before := records[key]
		switch {
		case record == nil:
			deleted[key] = true
			return
		case deleted[key]:
			w.fleet.violation("revision %d: the deleted record of %s rose again", sequence, key.ID)
		case before != nil && before.Status.Terminal():
			w.fleet.violation("revision %d: %s had ended and changed\n%s\n%s", sequence, key.ID, text(*before), text(*record))
		case !reachable(before, *record):
			old := "nothing"
			if before != nil {
				old = text(*before)
			}
			w.fleet.violation("revision %d does not follow from the one before\n%s\n%s", sequence, old, text(*record))
		}
		live[key.Function] += count(record) - count(before)
		if live[key.Function] > record.Spec.MaxConcurrency {
			w.fleet.violation("revision %d: %d live executions of %q", sequence, live[key.Function], key.Function)
		}
		records[key] = record
	})
}

func count(record *multinode.Invocation) int {
	if record != nil {
		if _, live := record.Live(); live {
			return 1
		}
	}
	return 0
}

func (w *world) checkInvocation(i *invocation) {
	if i.swept {
		return
	}
	record, _, err := w.store.Record(w.ctx, i.key)
	w.must(err)
	wrong := func(format string, args ...any) {
		w.fleet.violation("%v: %s\n%s", i.step, fmt.Sprintf(format, args...), text(record))
	}
	switch {
	case i.cancelled && record.CancelRequestedAt == nil:
		wrong("its cancel was answered and is not stored")
	case record.Status == multinode.Cancelled && !w.mayBeCancelled(i):
		wrong("nobody cancelled it")
	case i.doomed && record.Status != multinode.Cancelled:
		wrong("it was started by what had been cancelled")
	}
	for _, x := range record.Executions {
		if i.doomed && x.StartedAt != nil {
			wrong("%s was let in", x.ID)
		}
		w.checkExecution(i.key.Execution(x.ID), x, wrong)
	}
	if record.Status == multinode.Failed && record.FailedAttempts() <= record.Spec.MaxRetries {
		latest, _ := record.Latest()
		if latest.Outcome != multinode.OutcomeLaunchFailed {
			wrong("it had tries left")
		}
	}
}

func (w *world) checkExecution(k multinode.ExecutionKey, x multinode.Execution, wrong func(string, ...any)) {
	outcome, _, err := w.store.Outcome(w.ctx, k)
	if err != nil {
		wrong("the outcome of %s: %v", k.ID, err)
		return
	}
	unasked := outcome.Kind == multinode.OutcomeCancelled && x.Outcome == multinode.OutcomeFailed
	if outcome.Kind != x.Outcome && !unasked {
		wrong("%s ended %s and is recorded as %s", k.ID, outcome.Kind, x.Outcome)
	}
	if outcome.Kind == multinode.OutcomeSucceeded && string(outcome.Output) != output(k.ID) {
		wrong("%s gave the result %s", k.ID, outcome.Output)
	}
	w.fleet.mu.Lock()
	gone := w.fleet.gone[k.ID]
	var yielded yielded
	if noted := w.fleet.yielded[k.ID]; noted != nil {
		yielded = *noted
	}
	w.fleet.mu.Unlock()
	if yielded.stored != "" {
		latest, _, err := w.store.LatestYield(w.ctx, k)
		if w.must(err); string(latest) != yielded.stored && string(latest) != yielded.tried {
			wrong("%s has the yield %s, not %s", k.ID, latest, yielded.stored)
		}
	}
	lost := outcome.Kind == multinode.OutcomeLost || outcome.Kind == multinode.OutcomeOutOfMemory
	if lost && gone != outcome.Kind {
		wrong("%s is called %s: %s", k.ID, outcome.Kind, outcome.Error)
	}
}

// mayBeCancelled tells whether it or an ancestor was cancelled, or an ancestor
// timed out.
func (w *world) mayBeCancelled(i *invocation) bool {
	if i.takenAlong() {
		return true
	}
	for a := i.parent; a != nil; a = a.parent {
		record, _, err := w.store.Record(w.ctx, a.key)
		if a.swept || err == nil && record.Status == multinode.TimedOut {
			return true
		}
	}
	return false
}

func (w *world) checkIndex() {
	revision, err := w.store.RecordsRevision(w.ctx)
	w.must(err)
	w.must(w.index.WaitFor(w.ctx, revision))
	counts := map[string]map[multinode.Status]int{}
	for n := range functions {
		counts[functionName(n)] = map[multinode.Status]int{}
	}
	for _, i := range w.started {
		entry, found, err := w.index.Get(i.key)
		w.must(err)
		if found == i.swept {
			w.fleet.violation("the index has %s: %v, and it was deleted: %v", i.key.ID, found, i.swept)
		}
		if i.swept {
			continue
		}
		record, revision, err := w.store.Record(w.ctx, i.key)
		w.must(err)
		if entry.Status != record.Status || entry.Revision != revision {
			w.fleet.violation("the index says %+v of %s", entry, text(record))
		}
		counts[i.key.Function][record.Status]++
	}
	for function, want := range counts {
		got, err := w.index.Counts(w.project.Name, w.project.Generation, function)
		w.must(err)
		for status, n := range got {
			if n != want[status] {
				w.fleet.violation("the index counts %d %s of %s, not %d", n, status, function, want[status])
			}
		}
		entries, _, err := w.index.List(index.Query{
			Project: w.project.Name, Generation: w.project.Generation, Function: function, Limit: index.MaxLimit,
		})
		w.must(err)
		listed := 0
		for _, n := range want {
			listed += n
		}
		if len(entries) != listed {
			w.fleet.violation("the index lists %d of %s, not %d", len(entries), function, listed)
		}
	}
}

// dump shows all revisions of everything.
func (w *world) dump() {
	w.revisions(func(sequence uint64, key multinode.InvocationKey, record *multinode.Invocation) {
		if record == nil {
			w.t.Logf("%d %s deleted", sequence, key.ID)
			return
		}
		w.t.Logf("%d %s", sequence, text(*record))
	})
}
