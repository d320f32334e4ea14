package model_test

import (
	"encoding/json"
	"reflect"

	"multinode"
)

// mostEvents is how many events one write folds at most.
const mostEvents = 4

// reachable tells whether a revision follows from the one before, nil for none,
// by events of multinode.Next.
func reachable(before *multinode.Invocation, after multinode.Invocation) bool {
	want := text(after)
	seen := map[string]bool{}
	var search func(at *multinode.Invocation, depth int) bool
	search = func(at *multinode.Invocation, depth int) bool {
		for _, e := range candidates(at, after) {
			next, err := multinode.Next(at, e)
			if err != nil {
				continue
			}
			reached := text(next)
			if reached == want {
				return true
			}
			if depth > 1 && !seen[reached] {
				seen[reached] = true
				if search(&next, depth-1) {
					return true
				}
			}
		}
		return false
	}
	return search(before, mostEvents)
}

func text(i multinode.Invocation) string {
	data, err := json.Marshal(i)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// candidates are the events that may have led towards after: what they carry is
// read from there.
func candidates(at *multinode.Invocation, after multinode.Invocation) []multinode.Event {
	if at == nil {
		return []multinode.Event{multinode.Accepted{
			Key: after.Key, Version: after.Version, Spec: after.Spec, Lineage: after.Lineage, Sequence: after.Sequence, At: after.CreatedAt,
		}}
	}
	var events []multinode.Event
	if after.CancelRequestedAt != nil {
		events = append(events, multinode.CancelRequested{At: *after.CancelRequestedAt})
	}
	if live, ok := at.Live(); ok {
		deferred := multinode.LaunchDeferred{Execution: live.ID, At: after.UpdatedAt}
		if after.Waiting != nil {
			deferred.Reason, deferred.Until = after.Waiting.Reason, after.Waiting.Until
			since := deferred // the record's clock may be ahead of the writer's
			since.At = after.Waiting.Since
			events = append(events, since)
		}
		events = append(events, deferred)
	}
	for n, x := range after.Executions {
		if n < len(at.Executions)-1 {
			continue // has ended before
		}
		events = append(events, like(multinode.LaunchIntended{Execution: x.ID, At: x.CreatedAt}, x))
		if x.Worker != nil {
			events = append(events, multinode.WorkerLaunched{Execution: x.ID, Worker: *x.Worker, At: after.UpdatedAt})
		}
		if x.StartedAt != nil {
			events = append(events, multinode.WorkerStarted{Execution: x.ID, Incarnation: x.Incarnation, At: *x.StartedAt})
		}
		if x.InterruptedAt != nil {
			events = append(events, multinode.Interrupted{Execution: x.ID, Why: x.Interrupt, At: *x.InterruptedAt})
		}
		if x.EndedAt != nil {
			events = append(events,
				multinode.ExecutionEnded{Execution: x.ID, Outcome: x.Outcome, At: *x.EndedAt},
				multinode.ExecutionEnded{Execution: x.ID, Outcome: multinode.OutcomeCancelled, At: *x.EndedAt})
		}
	}
	return events
}

// like fills the fields of an event that the execution has under the same name.
func like[E multinode.Event](event E, x multinode.Execution) E {
	to, from := reflect.ValueOf(&event).Elem(), reflect.ValueOf(x)
	for n := range to.NumField() {
		f := from.FieldByName(to.Type().Field(n).Name)
		if f.IsValid() && f.Type() == to.Field(n).Type() {
			to.Field(n).Set(f)
		}
	}
	return event
}
