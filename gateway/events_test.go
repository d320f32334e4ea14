package gateway_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"multinode"
	"multinode/gateway"
	"multinode/wire"
)

func lines(texts ...string) []multinode.LogLine {
	lines := make([]multinode.LogLine, len(texts))
	for i, text := range texts {
		lines[i] = multinode.LogLine{Time: time.Now().UTC(), Stream: "stdout", Text: text}
	}
	return lines
}

func TestTheEventsOfAnInvocation(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, k := s.invoke(p, "f", "1")
	events := s.events(path + "/events")
	if info := next[wire.InvocationInfo](t, events, wire.EventStatus); info.Status != wire.StatusPending {
		t.Errorf("at first %s", info.Status)
	}
	x := s.run(k)
	for next[wire.InvocationInfo](t, events, wire.EventStatus).Status != wire.StatusRunning {
	}
	s.must(s.store.PutYield(t.Context(), x, []byte("1")))
	if y := next[wire.YieldEvent](t, events, wire.EventYield); y.Output != "1" || y.ExecutionID != x.ID {
		t.Errorf("yield %+v", y)
	}
	s.must(s.store.PutLogs(t.Context(), x, lines("one", "two")))
	if l := next[wire.LogEvent](t, events, wire.EventLog); len(l.Lines) != 2 || l.Lines[1].Text != "two" || l.ExecutionID != x.ID {
		t.Errorf("log %+v", l)
	}
	s.end(x, multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("2")})
	if info := next[wire.InvocationInfo](t, events, wire.EventEnd); info.Status != wire.StatusSucceeded || *info.Output != "2" {
		t.Errorf("at the end %+v", info)
	}
	closes(t, events)
	// Who comes later is told everything that is left to tell.
	events = s.events(path + "/events")
	if y := next[wire.YieldEvent](t, events, wire.EventYield); y.Output != "1" {
		t.Errorf("yield %+v", y)
	}
	if l := next[wire.LogEvent](t, events, wire.EventLog); len(l.Lines) != 2 {
		t.Errorf("log %+v", l)
	}
	next[wire.InvocationInfo](t, events, wire.EventEnd)
	closes(t, events)
}

// Every line that was stored before the end comes before the end, once, in
// order, also when they come faster than they are read.
func TestNoLineIsLostAtTheEnd(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, k := s.invoke(p, "f", "1")
	x := s.run(k)
	of := path + "/executions/" + x.ID + "/logs?follow=true"
	streams := []<-chan event{s.events(path + "/events"), s.events(of), s.events(of)}
	const batches, each = 60, 20
	for b := range batches {
		texts := make([]string, each)
		for i := range texts {
			texts[i] = fmt.Sprint(b*each + i)
		}
		s.must(s.store.PutLogs(t.Context(), x, lines(texts...)))
	}
	s.end(x, multinode.Outcome{Kind: multinode.OutcomeFailed, Error: "no"})
	s.end(s.run(k), multinode.Outcome{Kind: multinode.OutcomeFailed, Error: "no"})
	for i, events := range streams {
		n := 0
		for e := range events {
			if e.name != wire.EventLog {
				continue
			}
			for _, l := range decode[wire.LogEvent](t, e).Lines {
				if l.Text != fmt.Sprint(n) {
					t.Fatalf("stream %d: line %q, want %d", i, l.Text, n)
				}
				n++
			}
		}
		if n != batches*each {
			t.Errorf("stream %d: %d lines, want %d", i, n, batches*each)
		}
	}
}

func TestLogsInPages(t *testing.T) {
	s := start(t)
	p, _ := s.deploy("p", spec("f"))
	path, k := s.invoke(p, "f", "1")
	x := s.run(k)
	path += "/executions/" + x.ID + "/logs"
	var page wire.ExecutionLogs
	if s.get(path).is(http.StatusOK, &page); page.LogLines == nil || len(page.LogLines) != 0 || page.NextOffset != nil || page.ExecutionID != x.ID {
		t.Errorf("without lines: %+v", page)
	}
	for b := range 3 {
		texts := make([]string, 100)
		for i := range texts {
			texts[i] = fmt.Sprint(b*100 + i)
		}
		s.must(s.store.PutLogs(t.Context(), x, lines(texts...)))
	}
	n := 0
	for query := "?max_lines=1000"; ; query = "?max_lines=30&initial_offset=" + *page.NextOffset {
		page = wire.ExecutionLogs{}
		s.get(path+query).is(http.StatusOK, &page)
		if n == 0 && len(page.LogLines) != wire.MaxLogLinesPage {
			t.Errorf("the largest page has %d lines", len(page.LogLines))
		}
		for _, l := range page.LogLines {
			if l != fmt.Sprint(n) {
				t.Fatalf("line %q, want %d", l, n)
			}
			n++
		}
		if page.NextOffset == nil {
			break
		}
	}
	if n != 300 {
		t.Errorf("%d lines", n)
	}
	s.get(path + "?initial_offset=x").fails(wire.OffsetIsInvalid)
	s.get(path+"?max_lines=0").violates(`["query","max_lines"]`, "value_error.number.not_ge")
	s.get(path+"?follow=perhaps").violates(`["query","follow"]`, "type_error.bool")
}

func TestASilentStreamBeats(t *testing.T) {
	s := start(t, func(o *gateway.Options) { o.Heartbeat = 10 * time.Millisecond })
	p, _ := s.deploy("p", spec("f"))
	path, _ := s.invoke(p, "f", "1")
	events := s.events(path + "/events")
	for range 3 {
		next[struct{}](t, events, ":")
	}
}

// A client that goes away frees its place, noticed by the heartbeat.
func TestAClientThatGoesAwayFreesItsPlace(t *testing.T) {
	s := start(t, func(o *gateway.Options) { o.Heartbeat = 5 * time.Millisecond })
	p, _ := s.deploy("p", spec("f"))
	path, _ := s.invoke(p, "f", "1")
	response, err := http.DefaultClient.Do(s.request(http.MethodGet, path+"/events", nil))
	s.must(err)
	s.eventually(func() bool { return s.serves.Waiters() == 1 })
	s.must(response.Body.Close())
	s.eventually(func() bool { return s.serves.Waiters() == 0 })
}
