package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"multinode/wire"
)

func send(w http.ResponseWriter, name string, data any) {
	text, _ := json.Marshal(data)
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, text)
	w.(http.Flusher).Flush()
}

func lines(texts ...string) wire.LogEvent {
	e := wire.LogEvent{ExecutionID: "exe-1"}
	for _, t := range texts {
		e.Lines = append(e.Lines, wire.LogLine{Stream: "stdout", Text: t})
	}
	return e
}

func TestFollowSurvivesBrokenConnectionsAndTellsNothingTwice(t *testing.T) {
	connections := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/inv-1/events") || r.Header.Get("Accept") != "text/event-stream" {
			t.Errorf("asked for %s as %s", r.URL.Path, r.Header.Get("Accept"))
		}
		connections++
		switch connections {
		case 2:
			w.WriteHeader(http.StatusBadGateway)
			return
		case 3:
			abort(w)
		}
		fmt.Fprint(w, ": hello\n\n")
		send(w, wire.EventStatus, wire.InvocationInfo{Status: wire.StatusRunning, Revision: 4})
		send(w, wire.EventLog, lines("a", "b"))
		send(w, wire.EventYield, wire.YieldEvent{ExecutionID: "exe-1", Output: "1"})
		if connections == 1 {
			fmt.Fprint(w, "event: log\ndata: {\"execution_id\"") // cut off in the middle
			w.(http.Flusher).Flush()
			abort(w)
		}
		if connections == 4 {
			send(w, wire.EventLog, lines("c"))
			return // ends without a last word
		}
		send(w, wire.EventLog, lines("c", "d"))
		send(w, wire.EventYield, wire.YieldEvent{ExecutionID: "exe-1", Output: "2"})
		send(w, "future", "of another release")
		send(w, wire.EventStatus, wire.InvocationInfo{Status: wire.StatusSucceeded, Revision: 5})
		send(w, wire.EventEnd, wire.InvocationInfo{Status: wire.StatusSucceeded, Revision: 5})
	})
	var told []string
	info, err := c.Follow(t.Context(), someInvocation, Handlers{
		Status: func(i wire.InvocationInfo) { told = append(told, string(i.Status)) },
		Yield:  func(y wire.YieldEvent) { told = append(told, y.Output) },
		Log: func(l wire.LogEvent) {
			for _, line := range l.Lines {
				told = append(told, line.Text)
			}
		},
	})
	if err != nil || info.Status != wire.StatusSucceeded {
		t.Fatal(info.Status, err)
	}
	if got := strings.Join(told, " "); got != "RUNNING a b 1 c d 2 SUCCEEDED" {
		t.Errorf("told %s", got)
	}
	if connections != 5 {
		t.Errorf("%d connections", connections)
	}
}

func TestFollowGivesUp(t *testing.T) {
	var connections atomic.Int32
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { connections.Add(1); abort(w) })
	var down *UnreachableError
	if _, err := c.Follow(t.Context(), someInvocation, Handlers{}); !errors.As(err, &down) {
		t.Errorf("err = %v", err)
	}
	if got, want := int(connections.Load()), quick.Attempts*streamPatience; got != want {
		t.Errorf("%d connections, want %d", got, want)
	}

	c = serve(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, wire.InvocationDoesNotExist) })
	if _, err := c.Follow(t.Context(), someInvocation, Handlers{}); !errors.Is(err, wire.InvocationDoesNotExist) {
		t.Errorf("err = %v", err)
	}

	c = serve(t, func(w http.ResponseWriter, _ *http.Request) { send(w, wire.EventStatus, "no object") })
	if _, err := c.Follow(t.Context(), someInvocation, Handlers{}); err == nil || !strings.Contains(err.Error(), "status") {
		t.Errorf("an event of the wrong shape: %v", err)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		send(w, wire.EventStatus, wire.InvocationInfo{Status: wire.StatusRunning})
		<-r.Context().Done()
	})
	why := errors.New("no interest any more")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := c.Follow(ctx, someInvocation, Handlers{Status: func(wire.InvocationInfo) { cancel(why) }})
	if !errors.Is(err, why) {
		t.Errorf("err = %v", err)
	}
}

func TestFollowLog(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.RequestURI, "/inv-1/executions/exe-1/logs?follow=true") {
			t.Errorf("asked for %s", r.RequestURI)
		}
		send(w, wire.EventLog, lines("a"))
		send(w, wire.EventEnd, wire.ExecutionInfo{InvocationID: "inv-1"})
	})
	var told []string
	end, err := c.FollowLog(t.Context(), someInvocation, "exe-1", func(l wire.LogEvent) { told = append(told, l.Lines[0].Text) })
	if err != nil || end.InvocationID != "inv-1" || len(told) != 1 {
		t.Error(end, told, err)
	}
}

func TestAwaitDeployment(t *testing.T) {
	end := func(w http.ResponseWriter) {
		send(w, wire.EventReady, wire.VersionInfo{VersionID: "ver-1", State: wire.VersionReady})
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/projects/p/deployments/ver-1/events" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		send(w, wire.EventProgress, wire.ProgressEvent{Line: "Collecting numpy"})
		end(w)
	})
	var told []string
	v, err := c.AwaitDeployment(t.Context(), "p", "ver-1", func(line string) { told = append(told, line) })
	if err != nil || v.State != wire.VersionReady || len(told) != 1 || told[0] != "Collecting numpy" {
		t.Error(v, told, err)
	}
	end = func(w http.ResponseWriter) { send(w, wire.EventFailed, wire.ErrorBody{Detail: "no such package"}) }
	_, err = c.AwaitDeployment(t.Context(), "p", "ver-1", nil)
	var failed *DeploymentError
	if !errors.As(err, &failed) || failed.Detail != "no such package" {
		t.Errorf("err = %v", err)
	}
}

func TestEventStreamSyntax(t *testing.T) {
	const text = ": comment\r\n\r\n" +
		"event: log\r\ndata: one\r\ndata:two\r\nid: 3\r\n\r\n" +
		"event: forgotten\n\n" +
		"data\n\n" +
		"data: last"
	alive := 0
	r := newStreamReader(strings.NewReader(text), func() { alive++ })
	for _, want := range []event{{"log", []byte("one\ntwo")}, {"message", []byte("")}} {
		e, err := r.next()
		if err != nil || e.name != want.name || !bytes.Equal(e.data, want.data) {
			t.Errorf("next = %s %q, %v; want %s %q", e.name, e.data, err, want.name, want.data)
		}
	}
	if _, err := r.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
	if alive != 11 {
		t.Errorf("%d signs of life", alive)
	}
	if _, err := newStreamReader(strings.NewReader(""), func() {}).next(); !errors.Is(err, io.EOF) {
		t.Errorf("empty: %v", err)
	}
}

func TestEventsAreBounded(t *testing.T) {
	endless := func(prefix string) io.Reader {
		return io.MultiReader(strings.NewReader(prefix), io.LimitReader(zeros{}, 3*maxEvent))
	}
	for _, r := range []io.Reader{
		endless("data: "),
		io.LimitReader(&repeated{text: "data: " + strings.Repeat("x", 1<<20) + "\n"}, 3*maxEvent),
	} {
		if _, err := newStreamReader(r, func() {}).next(); !errors.Is(err, errEventTooLarge) {
			t.Errorf("err = %v", err)
		}
	}
	long := strings.Repeat("y", 300_000)
	e, err := newStreamReader(strings.NewReader("data: "+long+"\n\n"), func() {}).next()
	if err != nil || string(e.data) != long {
		t.Errorf("a long line: %d bytes, %v", len(e.data), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

type repeated struct {
	text string
	rest string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
