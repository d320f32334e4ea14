package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"multinode"
)

// legal are the statuses that may follow one.
var legal = map[multinode.Status][]multinode.Status{
	"": {multinode.Pending, multinode.Cancelled},
	multinode.Pending: {
		multinode.Pending, multinode.Running, multinode.Cancelling,
		multinode.Succeeded, multinode.Failed, multinode.Cancelled, multinode.TimedOut,
	},
	multinode.Running: {
		multinode.Running, multinode.Pending, multinode.Cancelling,
		multinode.Succeeded, multinode.Failed, multinode.Cancelled, multinode.TimedOut,
	},
	multinode.Cancelling: {multinode.Cancelling, multinode.Succeeded, multinode.Cancelled, multinode.TimedOut},
}

// replay looks at every change of every record, in their order.
func (l *ledger) replay(history []change) {
	before := map[multinode.InvocationKey]multinode.Invocation{}
	type function struct{ project, generation, name string }
	live := map[function]map[string]bool{}
	for _, c := range history {
		last := before[c.key]
		before[c.key] = c.record
		if last.Status.Terminal() {
			l.violation("%s of %s was %s, and its record changed again at %d", c.key.ID, c.key.Function, last.Status, c.sequence)
		} else if !slices.Contains(legal[last.Status], c.record.Status) {
			l.violation("%s of %s went from %q to %q at %d", c.key.ID, c.key.Function, last.Status, c.record.Status, c.sequence)
		}
		l.executions(c, last)
		f := function{c.key.Project, c.key.Generation, c.key.Function}
		if live[f] == nil {
			live[f] = map[string]bool{}
		}
		if _, is := c.record.Live(); is {
			live[f][c.key.ID] = true
		} else {
			delete(live[f], c.key.ID)
		}
		if limit := c.record.Spec.MaxConcurrency; limit > 0 && len(live[f]) > limit {
			l.violation("%s had %d live executions at %d, and its limit is %d", c.key.Function, len(live[f]), c.sequence, limit)
		}
	}
}

// executions holds a record's executions against those of the state before.
func (l *ledger) executions(c change, last multinode.Invocation) {
	name := c.key.ID + " of " + c.key.Function
	for i, x := range c.record.Executions {
		if i < len(c.record.Executions)-1 && x.State != multinode.Ended {
			l.violation("%s has two live executions at %d", name, c.sequence)
		}
		if i < len(last.Executions) && last.Executions[i].State == multinode.Ended && (x.ID != last.Executions[i].ID || x.Outcome != last.Executions[i].Outcome) {
			l.violation("%s: the ended execution %s changed at %d", name, last.Executions[i].ID, c.sequence)
		}
	}
	if failed := c.record.FailedAttempts(); failed > c.record.Spec.MaxRetries+1 {
		l.violation("%s failed %d times, with %d retries", name, failed, c.record.Spec.MaxRetries)
	}
	if c.record.Status.Terminal() {
		if _, is := c.record.Live(); is {
			l.violation("%s is %s and has a live execution", name, c.record.Status)
		}
	}
}

// remembered holds against each other what clients know and what is stored.
func (r *run) remembered(ctx context.Context, s stored) {
	r.accounted(s)
	if err := r.results(ctx, s); err != nil {
		r.violation("the results cannot be looked at: %v", err)
	}
	if err := r.lists(ctx, s); err != nil {
		r.violation("the lists cannot be looked at: %v", err)
	}
	r.outcomes(ctx, s)
}

// accounted holds what clients were told against what is stored.
func (l *ledger) accounted(s stored) {
	accepted := map[string]bool{}
	for _, r := range s.requests {
		accepted[r.key.ID] = true
	}
	l.mu.Lock()
	all := make([]*started, 0, len(l.all))
	for _, each := range l.all {
		all = append(all, each)
	}
	l.mu.Unlock()
	for _, each := range all {
		c, recorded := s.latest[each.id]
		switch {
		case !accepted[each.id] || !recorded:
			l.violation("%s of %s was accepted and is gone (request: %v, record: %v)", each.id, each.function, accepted[each.id], recorded)
		case each.terminal != "" && string(each.terminal) != string(c.record.Status):
			l.violation("%s of %s was seen as %s and is %s", each.id, each.function, each.terminal, c.record.Status)
		}
	}
}

// ends says in which statuses an invocation of the project may end, when nobody
// asked for its end.
func ends(function string) multinode.Status {
	switch function {
	case "fails", "crashes", malformed:
		return multinode.Failed
	case "overruns":
		return multinode.TimedOut
	case "sleeps", "family", "occupies":
		return multinode.Cancelled
	}
	return multinode.Succeeded
}

// result computes what a function returns.
func result(function string, body []byte) (string, error) {
	var input [2]json.RawMessage
	var arguments []any
	if err := json.Unmarshal(body, &input); err != nil {
		return "", err
	}
	if err := json.Unmarshal(input[0], &arguments); err != nil || len(arguments) == 0 {
		return "", fmt.Errorf("the arguments of %s are %s", function, input[0])
	}
	number, _ := arguments[len(arguments)-1].(float64)
	n := int(number)
	switch function {
	case "quick":
		n *= 2
	case "slow":
		n++
	case "spawns":
		n *= n - 1 // the sum of 2·0, 2·1, … 2·(n-1)
	}
	return strconv.Itoa(n), nil
}
