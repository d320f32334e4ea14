package index

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"multinode"
)

func TestCursorSurvivesInsertsAndDeletes(t *testing.T) {
	x, m := opened(t)
	for n := range 10 {
		m.put(key("f", n), pending(key("f", n), n))
	}
	caughtUp(within(t), t, x.Index, m)
	q := Query{Project: "p", Generation: "g", Function: "f", Limit: 4}
	first, next, err := x.List(q)
	if err != nil || len(first) != 4 || next == "" {
		t.Fatalf("first page: %d entries, next %q, %v", len(first), next, err)
	}
	m.put(key("f", 10), pending(key("f", 10), 10)) // newer than the page
	m.put(key("f", 6), nil)                        // the very entry that the cursor stands on
	m.put(key("f", 5), with(pending(key("f", 5), 5), multinode.Running))
	caughtUp(within(t), t, x.Index, m)
	q.After, q.Limit = next, 100
	rest, next, err := x.List(q)
	if err != nil || next != "" {
		t.Fatalf("second page: next %q, %v", next, err)
	}
	var got []uint64
	for _, e := range rest {
		got = append(got, e.Sequence)
	}
	if want := []uint64{5, 4, 3, 2, 1, 0}; !slices.Equal(got, want) {
		t.Fatalf("second page is %v, want %v", got, want)
	}
}

func TestCursorIsValidated(t *testing.T) {
	x, m := opened(t)
	for n := range 5 {
		m.put(key("f", n), pending(key("f", n), n))
	}
	caughtUp(within(t), t, x.Index, m)
	q := Query{Project: "p", Generation: "g", Function: "f", Limit: 2}
	_, cursor, err := x.List(q)
	if err != nil {
		t.Fatal(err)
	}
	terminal := false
	others := map[string]func(*Query){
		"not base64":     func(q *Query) { q.After = "???" },
		"too short":      func(q *Query) { q.After = cursor[:len(cursor)-1] },
		"too long":       func(q *Query) { q.After = cursor + "A" },
		"line feed":      func(q *Query) { q.After = cursor[:10] + "\n" + cursor[11:] },
		"other function": func(q *Query) { q.Function = "g" },
		"other version":  func(q *Query) { q.Version = "v" },
		"other statuses": func(q *Query) { q.Status = []multinode.Status{multinode.Failed} },
		"other parent":   func(q *Query) { q.Parent = &multinode.Ancestor{Function: "f", ID: "x"} },
		"unfinished":     func(q *Query) { q.Terminal = &terminal },
	}
	for i := range len(cursor) {
		others[fmt.Sprintf("character %d changed", i)] = func(q *Query) {
			b := []byte(cursor)
			b[i] = 'A' + (b[i]+1)%26
			if string(b) == cursor {
				b[i] = '_'
			}
			q.After = string(b)
		}
	}
	for name, change := range others {
		other := q
		other.After = cursor
		change(&other)
		if _, _, err := x.List(other); !errors.Is(err, ErrCursor) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	q.After, q.Limit = cursor, 1 // another size of page is no other query
	if page, _, err := x.List(q); err != nil || len(page) != 1 || page[0].Sequence != 2 {
		t.Errorf("the cursor itself: %v, %v", page, err)
	}
}

func TestListRefusesNonsense(t *testing.T) {
	x, m := opened(t)
	caughtUp(within(t), t, x.Index, m)
	for name, q := range map[string]Query{
		"no function":    {Project: "p", Generation: "g"},
		"no project":     {Generation: "g", Function: "f"},
		"unknown status": {Project: "p", Generation: "g", Function: "f", Status: []multinode.Status{"DONE"}},
	} {
		if _, _, err := x.List(q); !errors.Is(err, ErrQuery) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	terminal := true
	none := Query{Project: "p", Generation: "g", Function: "f", Status: []multinode.Status{multinode.Pending}, Terminal: &terminal}
	if page, next, err := x.List(none); err != nil || len(page) != 0 || next != "" {
		t.Errorf("conditions that exclude each other: %v, %q, %v", page, next, err)
	}
}

func TestPageSizes(t *testing.T) {
	for limit, want := range map[int]int{0: DefaultLimit, -1: DefaultLimit, 7: 7, MaxLimit + 1: MaxLimit} {
		if got := (Query{Limit: limit}).limit(); got != want {
			t.Errorf("limit %d gives pages of %d, want %d", limit, got, want)
		}
	}
}

func TestAheadStopsCounting(t *testing.T) {
	x, m := opened(t, func(m *memory) {
		m.batch = 10_000
		for n := range AheadCap + 50 {
			m.put(key("f", n), pending(key("f", n), n))
		}
	})
	caughtUp(within(t), t, x.Index, m)
	for n, want := range map[int]int{0: 0, 7: 7, AheadCap + 40: AheadCap} {
		if got, err := x.Ahead(key("f", n)); err != nil || got != want {
			t.Errorf("%d ahead of number %d, want %d (%v)", got, n, want, err)
		}
	}
	if got, err := x.Ahead(key("g", 1)); err != nil || got != 0 {
		t.Errorf("%d ahead of one that is not there (%v)", got, err)
	}
}

func TestWhatComesBeforeInTheTurnForASlot(t *testing.T) {
	x, m := opened(t, func(m *memory) {
		m.put(key("f", 0), with(pending(key("f", 0), 0), multinode.Succeeded))
		m.put(key("f", 1), pending(key("f", 1), 1))
		for _, n := range []int{2, 4} {
			live := pending(key("f", n), n)
			live.Executions = []multinode.Execution{{ID: "exe", State: multinode.Starting}}
			m.put(live.Key, live)
		}
		between := pending(key("f", 5), 5) // between two tries
		between.Executions = []multinode.Execution{{ID: "exe", State: multinode.Ended, Outcome: multinode.OutcomeFailed}}
		m.put(between.Key, between)
		m.put(key("f", 6), pending(key("f", 6), 6))
		m.put(key("g", 1), pending(key("g", 1), 1))
	})
	caughtUp(within(t), t, x.Index, m)
	for n, want := range map[int]int{1: 2, 2: 2, 3: 3, 4: 2, 5: 3, 6: 4, 7: 5} {
		if got, err := x.Before(key("f", n), pending(key("f", n), n).Sequence, 10); err != nil || got != want {
			t.Errorf("%d before number %d, want %d (%v)", got, n, want, err)
		}
	}
	if got, err := x.Before(key("f", 7), pending(key("f", 7), 7).Sequence, 2); err != nil || got != 2 {
		t.Errorf("%d with a limit of 2 (%v)", got, err)
	}
}
