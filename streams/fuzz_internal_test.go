package streams

import (
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"multinode"
)

// FuzzToken: one name has one token, one token one name.
func FuzzToken(f *testing.F) {
	for _, seed := range []string{"", "plain-1_A", "a b", "ü", "=41", "=C3=BC", "=c3", "=", "=4", "a.b", "\x00*>"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token := Token(text)
		if strings.ContainsAny(token, " .*>\t\r\n") {
			t.Errorf("%q is no token", token)
		}
		if back, err := FromToken(token); err != nil || back != text {
			t.Errorf("%q became %q and then %q, %v", text, token, back, err)
		}
		if name, err := FromToken(text); err == nil && Token(name) != text {
			t.Errorf("%q was read as %q, whose token is %q", text, name, Token(name))
		}
	})
}

// FuzzKey: a key that is read is the one that its names have.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"p.g.f.inv-1", "p.g.f.inv-1.exe-1", "....", "p=20.g.=C3=BC.i", "", "p.g.f", "a.b.c.d.e.f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if k, err := ParseInvocationKey(key); err == nil && InvocationKeyName(k) != key {
			t.Errorf("%q was read as %+v", key, k)
		}
		if k, err := ParseExecutionKey(key); err == nil && ExecutionKeyName(k) != key {
			t.Errorf("%q was read as %+v", key, k)
		}
	})
}

// FuzzRequest: whatever a direct client puts into a request is either a request
// that says the same when it is stored again, or malformed.
func FuzzRequest(f *testing.F) {
	version := "ver-00112233445566778899aabbccddeeff"
	f.Add(version, `[{"function":"f","id":"inv-1"}]`, []byte(`[[],{}]`))
	f.Add("", "", []byte{})
	f.Add("\x00", "null", []byte("\xff"))
	f.Add(version, `[`+strings.Repeat(`{},`, 64)+`{}]`, []byte{})
	f.Add("v", strings.Repeat("[", 20_000), []byte{})
	f.Fuzz(func(t *testing.T, version, lineage string, body []byte) {
		k := multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "inv-1"}
		at := time.Unix(1, 0)
		r := parseRequest(k, nats.Header{headerVersion: {version}, headerLineage: {lineage}}, body, 7, at)
		if r.Key != k || len(r.Lineage) > multinode.MaxDepth {
			t.Errorf("read %+v", r)
		}
		if r.Malformed != nil {
			return
		}
		if r.Version != version || string(r.Input) != string(body) {
			t.Errorf("read %+v", r)
		}
		again, err := json.Marshal(r.Lineage)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > maxLineage {
			return // what is escaped in JSON by Go needs more than it had
		}
		second := parseRequest(k, nats.Header{headerVersion: {version}, headerLineage: {string(again)}}, body, 7, at)
		if second.Malformed != nil || !slices.Equal(second.Lineage, r.Lineage) {
			t.Errorf("%+v became %+v, %v", r.Lineage, second.Lineage, second.Malformed)
		}
	})
}

// FuzzRecord: no record that can be read makes Next fail but by its errors, and
// what ended stays as it is.
func FuzzRecord(f *testing.F) {
	record, err := multinode.Next(nil, multinode.Accepted{
		Key: multinode.InvocationKey{Project: "p", Generation: "g", Function: "f", ID: "i"}, At: time.Unix(1, 0).UTC(),
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range []multinode.Event{
		multinode.LaunchIntended{Execution: "x"}, multinode.WorkerStarted{Execution: "x", Incarnation: "w"},
		multinode.ExecutionEnded{Execution: "x", Outcome: multinode.OutcomeSucceeded},
	} {
		data, err := json.Marshal(record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if record, err = multinode.Next(&record, e); err != nil {
			f.Fatal(err)
		}
	}
	f.Add([]byte(`{"status":"RUNNING","executions":[{"id":"x"},{"id":"x","state":"ENDED"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		record, err := decode[multinode.Invocation](data)
		if err != nil {
			return
		}
		for _, e := range []multinode.Event{
			multinode.LaunchIntended{Execution: "x"}, multinode.LaunchDeferred{Execution: "x"},
			multinode.WorkerLaunched{Execution: "x", Worker: multinode.Worker{Kind: "k"}},
			multinode.WorkerStarted{Execution: "x", Incarnation: "w"}, multinode.CancelRequested{},
			multinode.Interrupted{Execution: "x", Why: multinode.Cancel},
			multinode.ExecutionEnded{Execution: "x", Outcome: multinode.OutcomeFailed},
		} {
			next, changed, err := fold(&record, []multinode.Event{e})
			if changed && (err != nil || next.Key.ID != record.Key.ID) {
				t.Errorf("%T changed it to %+v, %v", e, next, err)
			}
		}
	})
}

// FuzzOutcome: what workers put is read as what it says, or not at all.
func FuzzOutcome(f *testing.F) {
	f.Add(`{"kind":"SUCCEEDED"}`, []byte("1"), "")
	f.Add(`{"kind":"FAILED","error":"no","no_output":true}`, []byte{}, "ü\x00\xff")
	f.Add(`{"kind":"NONE"}`, []byte{}, strings.Repeat("<", 20_000))
	f.Add("", []byte("x"), strings.Repeat("\x01", 16_384))
	f.Fuzz(func(t *testing.T, header string, body []byte, text string) {
		o, err := parseOutcome(nats.Header{headerOutcome: {header}}, body)
		if err == nil && !o.Kind.Valid() {
			t.Errorf("an outcome of the kind %q", o.Kind)
		}
		want := multinode.Outcome{Kind: multinode.OutcomeFailed, Output: body, Error: text}
		m, err := outcomeMessage(multinode.ExecutionKey{}, want)
		if err != nil {
			t.Fatal(err)
		}
		if size := len(m.Header.Get(headerOutcome)); size > maxHeaderError+100 {
			t.Errorf("a header of %d bytes", size)
		}
		got, err := parseOutcome(m.Header, m.Data)
		if err != nil || got.Kind != want.Kind || string(got.Output) != string(body) {
			t.Fatalf("%+v became %+v, %v", want, got, err)
		}
		if got.Error != text && utf8.ValidString(text) && len(text) < maxHeaderError/6 {
			t.Errorf("the error %q became %q", text, got.Error)
		}
	})
}

// FuzzLogs: any batch can be read, and an offset that is taken is one that Logs
// gives.
func FuzzLogs(f *testing.F) {
	f.Add([]byte(`[{"time":"2026-01-01T00:00:00Z","stream":"stdout","text":"hi"}]`), "12-0")
	f.Add([]byte(`null`), "")
	f.Add([]byte(`[{}`), "0-1")
	f.Add([]byte(`{}`), "18446744073709551616-1")
	f.Add([]byte{}, "1--1")
	s := &Store{log: slog.New(slog.DiscardHandler)}
	f.Fuzz(func(t *testing.T, batch []byte, offset string) {
		s.parseLog("exe-1", batch)
		sequence, skip, err := parseLogOffset(offset)
		if err == nil && (sequence == 0 || sequence > 1<<63 || skip < 0) || err != nil && !errors.Is(err, ErrOffset) {
			t.Errorf("%q was read as %d, %d, %v", offset, sequence, skip, err)
		}
	})
}

// FuzzAcknowledgement: only the acknowledgement of a stream means "stored".
func FuzzAcknowledgement(f *testing.F) {
	f.Add([]byte(`{"stream":"s","seq":1}`))
	f.Add([]byte(`{"error":{"code":503,"err_code":10077,"description":"maximum messages per subject exceeded"}}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(``))
	f.Add([]byte(`{"stream":"s","error":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var said struct {
			Stream string `json:"stream"`
			Error  any    `json:"error"`
		}
		stored := json.Unmarshal(data, &said) == nil && said.Stream != "" && said.Error == nil
		if err := ackError(data); err == nil && !stored {
			t.Errorf("%q was taken for an acknowledgement", data)
		}
	})
}
