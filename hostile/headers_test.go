package hostile_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/streams"
)

// Headers with a meaning for the server are the one part of a message that a
// worker can fill with orders. None reaches beyond the worker's own keys.
func TestHeadersWithAMeaningDoNoHarm(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	a := w.attack(w.mine)
	victims := w.victim.own()
	for name, headers := range map[string]map[string]string{
		"a rollup of everything":   {"Nats-Rollup": "all"},
		"a rollup of the subject":  {"Nats-Rollup": "sub"},
		"a time to live":           {"Nats-TTL": "1s"},
		"an endless time to live":  {"Nats-TTL": "never"},
		"a batch":                  {"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1"},
		"a batch that stays open":  {"Nats-Batch-Id": "c", "Nats-Batch-Sequence": "1"},
		"a counter":                {"Nats-Incr": "+1"},
		"a schedule":               {"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": victims["logs"]},
		"a schedule for later":     {"Nats-Schedule": "@at " + time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "Nats-Schedule-Target": victims["yields"]},
		"another stream":           {"Nats-Expected-Stream": "KV_mn-registry"},
		"another last sequence":    {"Nats-Expected-Last-Sequence": "999999"},
		"another last message":     {"Nats-Expected-Last-Msg-Id": "x"},
		"another subject's state":  {"Nats-Expected-Last-Subject-Sequence": "999999", "Nats-Expected-Last-Subject-Sequence-Subject": victims["yields"]},
		"a required level of API":  {"Nats-Required-Api-Level": "999"},
		"a marker":                 {"Nats-Marker-Reason": "Purge", "Nats-TTL": "1s"},
		"a source":                 {"Nats-Stream-Source": "KV_mn-registry 1 > >"},
		"somebody else's account":  {"Nats-Request-Info": `{"acc":"x","user":"admin"}`},
		"an answer's header alone": {"Nats-Response-Type": "x", "Status": "503"},
	} {
		for _, own := range w.mine.own() {
			m := nats.NewMsg(own)
			for key, value := range headers {
				m.Header.Set(key, value)
			}
			// A batch that stays open is not answered as stored.
			if err := a.PublishRequest(own, "_INBOX_"+w.mine.ID+".x", nil); err != nil {
				t.Fatal(err)
			}
			if _, err := a.RequestMsg(m, patience); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, other := range victims {
				m.Subject = other
				if err := a.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
				a.refused(name + " to " + other)
			}
		}
	}
	w.unharmed(before)
	for name, stream := range map[string]string{"yields": "KV_mn-yields", "outcomes": "KV_mn-outcomes"} {
		s, err := w.js.Stream(t.Context(), stream)
		w.must(err)
		m, err := s.GetLastMsgForSubject(t.Context(), w.mine.own()[name])
		if err == nil && (m.Header.Get("Nats-TTL") != "" || m.Header.Get("Nats-Rollup") != "" || m.Header.Get("Nats-Schedule") != "") {
			t.Errorf("%s kept %v", stream, m.Header)
		}
	}
}

// A trace of a message is sent where its header says. Nothing of it may arrive
// in the application's account, nor tell what is there.
func TestATraceGoesNowhere(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	heard, err := w.app.SubscribeSync(">")
	w.must(err)
	w.must(w.app.Flush())
	a := w.attack(w.mine)
	inbox := "_INBOX_" + w.mine.ID + ".trace"
	traced, err := a.SubscribeSync(inbox)
	w.must(err)
	targets := []string{"mn.invoke.theirs.f.evil", "$JS.API.STREAM.DELETE.KV_mn-outcomes", "mn.cancel." + w.victim.Invocation.ID, "mn.worker.tell." + w.victim.ID, inbox}
	for _, own := range w.victim.own() {
		targets = append(targets, own)
	}
	for _, target := range targets {
		for _, own := range w.mine.own() {
			for _, only := range []string{"", "true"} {
				m := nats.NewMsg(own)
				m.Header.Set("Nats-Trace-Dest", target)
				if only != "" {
					m.Header.Set("Nats-Trace-Only", only)
				}
				w.must(a.PublishMsg(m))
			}
		}
	}
	for _, own := range w.mine.own() {
		a.put(&nats.Msg{Subject: own, Data: []byte("the end")})
	}
	w.must(w.app.Flush())
	w.unharmed(before)
	for {
		m, err := heard.NextMsg(0)
		if err != nil {
			break
		}
		for _, target := range targets {
			if m.Subject == target {
				t.Errorf("the application hears a trace at %s: %s", target, m.Data)
			}
		}
	}
	// Its own account's part of the way it may see.
	for {
		m, err := traced.NextMsg(0)
		if err != nil {
			break
		}
		for _, word := range []string{`"acc":"app"`, "KV_mn-registry", "theirs", w.victim.ID} {
			if containsText(m.Data, word) {
				t.Errorf("a trace tells of %s: %s", word, m.Data)
			}
		}
	}
}

// A message ID that a worker has used must not make the server take others'
// messages for repetitions.
func TestMessageIDsCannotBePoisoned(t *testing.T) {
	w := newWorld(t)
	a := w.attack(w.mine)
	for _, id := range []string{"1", w.victim.ID, w.victim.intent.ExecutionKey} {
		for _, own := range w.mine.own() {
			m := nats.NewMsg(own)
			m.Header.Set("Nats-Msg-Id", id)
			a.put(m)
		}
	}
	for i := range 3 {
		w.must(w.victim.link.PutYield(t.Context(), []byte(strconv.Itoa(i))))
		w.must(w.victim.link.PutLogs(t.Context(), []multinode.LogLine{{Text: strconv.Itoa(i)}}))
	}
	if won, err := w.victim.link.PutOutcome(t.Context(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("3")}); !won || err != nil {
		t.Errorf("the victim's outcome: %t, %v", won, err)
	}
	w.until(w.victim.ExecutionKey, "SUCCEEDED", func(i multinode.Invocation) bool { return i.Status == multinode.Succeeded })
	lines, _, err := w.store.Logs(t.Context(), w.victim.ExecutionKey, "", 100)
	if output, _, err := w.store.LatestYield(t.Context(), w.victim.ExecutionKey); err != nil || string(output) != "2" {
		t.Errorf("the victim's yield is %q, %v", output, err)
	}
	if err != nil || len(lines) != 4 {
		t.Errorf("the victim's log is %v, %v", lines, err)
	}
	// None of ours carries one: there is nothing that could be taken for it.
	for _, name := range []string{"KV_mn-yields", "KV_mn-outcomes", "mn-logs"} {
		s, err := w.js.Stream(t.Context(), name)
		w.must(err)
		for _, subject := range w.victim.own() {
			if m, err := s.GetLastMsgForSubject(t.Context(), subject); err == nil && m.Header.Get(nats.MsgIdHdr) != "" {
				t.Errorf("%s has a message ID: %v", subject, m.Header)
			}
		}
	}
}

// The first outcome counts, a verdict as well as the worker's own word.
func TestAnOutcomeIsWrittenOnce(t *testing.T) {
	w := newWorld(t)
	a := w.attack(w.mine)
	own := w.mine.own()["outcomes"]
	_, won, err := w.store.PutOutcome(t.Context(), w.mine.ExecutionKey, multinode.Outcome{Kind: multinode.OutcomeLost, Error: "a verdict"})
	if w.must(err); !won {
		t.Fatal("the verdict was not the first")
	}
	for _, headers := range []nats.Header{
		{}, {"KV-Operation": {"DEL"}}, {"KV-Operation": {"PURGE"}, "Nats-Rollup": {"sub"}}, {"Nats-Rollup": {"all"}}, {"Nats-Expected-Last-Subject-Sequence": {"0"}},
		{"Nats-TTL": {"1s"}}, {"Nats-Incr": {"1"}}, {"Nats-Batch-Id": {"b"}, "Nats-Batch-Sequence": {"1"}, "Nats-Batch-Commit": {"1"}},
	} {
		headers.Set("Mn-Outcome", "SUCCEEDED")
		if stored, _ := a.put(&nats.Msg{Subject: own, Header: headers, Data: []byte("mine after all")}); stored {
			t.Errorf("a second outcome was stored by %v", headers)
		}
	}
	stored, _, err := w.store.Outcome(t.Context(), w.mine.ExecutionKey)
	if err != nil || stored.Kind != multinode.OutcomeLost || stored.Error != "a verdict" {
		t.Errorf("what counts is %+v, %v", stored, err)
	}
}

// A worker that comes back after it was given up is told to leave, and what it
// writes changes nothing of the invocation.
func TestAFencedWorkerIsNotHeard(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.store.PutOutcome(t.Context(), w.mine.ExecutionKey, multinode.Outcome{Kind: multinode.OutcomeLost, Error: "a verdict"})
	w.must(err)
	next := w.launched() // the retry
	if next.Invocation != w.mine.Invocation || next.ID == w.mine.ID {
		t.Fatalf("launched %+v", next.ExecutionKey)
	}
	if _, err := w.mine.link.Hello(t.Context()); !errors.Is(err, streams.ErrLeave) {
		t.Errorf("a fenced worker's hello: %v", err)
	}
	if won, err := w.mine.link.PutOutcome(t.Context(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("late")}); won || err != nil {
		t.Errorf("a fenced worker's outcome: %t, %v", won, err)
	}
	if desired, err := next.link.Beat(t.Context(), multinode.Beat{}); err != nil || desired != multinode.Run {
		t.Errorf("its successor's beat: %s, %v", desired, err)
	}
	won, err := next.link.PutOutcome(t.Context(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("right")})
	if !won || err != nil {
		t.Errorf("its successor's outcome: %t, %v", won, err)
	}
	record := w.until(next.ExecutionKey, "SUCCEEDED", func(i multinode.Invocation) bool { return i.Status == multinode.Succeeded })
	if len(record.Executions) != 2 || record.Executions[0].Outcome != multinode.OutcomeLost {
		t.Errorf("the executions are %+v", record.Executions)
	}
}

// However many yields a worker puts, one is kept.
func TestAFloodOfYieldsTakesNoSpace(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	a := w.attack(w.mine)
	own := w.mine.own()["yields"]
	for range 2000 {
		w.must(a.Publish(own, make([]byte, 1000)))
	}
	a.put(&nats.Msg{Subject: own, Data: []byte("the last")})
	stream, err := w.js.Stream(t.Context(), "KV_mn-yields")
	w.must(err)
	info, err := stream.Info(t.Context())
	w.must(err)
	if info.State.Msgs != 3 || info.State.Bytes > 10_000 {
		t.Errorf("kept are %+v", info.State)
	}
	w.unharmed(before)
}
