package hostile_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// attacker is a plain connection with a worker's credentials.
type attacker struct {
	*nats.Conn
	t    *testing.T
	errs chan error
}

func (w *world) attack(as *worker, more ...nats.Option) *attacker {
	w.t.Helper()
	a := &attacker{t: w.t, errs: make(chan error, 1000)}
	var err error
	a.Conn, err = nats.Connect(w.nats.URL(), append([]nats.Option{
		nats.UserCredentialBytes(as.intent.Credentials), nats.CustomInboxPrefix("_INBOX_" + as.ID),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { a.errs <- err }),
	}, more...)...)
	w.must(err)
	w.t.Cleanup(a.Close)
	return a
}

// refused checks that the server has just refused what was tried. It is made to
// refuse something else after it: what comes before that was the answer.
func (a *attacker) refused(what string) {
	a.t.Helper()
	if err := a.Publish("barrier", nil); err != nil {
		a.t.Fatal(err)
	}
	for seen := false; ; seen = true {
		select {
		case err := <-a.errs:
			switch {
			case !errors.Is(err, nats.ErrPermissionViolation):
				a.t.Errorf("%s: %v instead of a refusal", what, err)
			case strings.Contains(err.Error(), `"barrier"`):
				if !seen {
					a.t.Errorf("%s was not refused", what)
				}
				return
			}
		case <-time.After(patience):
			a.t.Fatalf("%s: no answer", what)
		}
	}
}

// put asks a stream to store a message and tells whether it did.
func (a *attacker) put(m *nats.Msg) (stored bool, refusal string) {
	a.t.Helper()
	reply, err := a.RequestMsg(m, patience)
	if err != nil {
		a.t.Fatalf("put to %s: %v", m.Subject, err)
	}
	var answer struct {
		Sequence uint64              `json:"seq"`
		Error    *jetstream.APIError `json:"error"`
		Dup      bool                `json:"duplicate"`
	}
	if len(reply.Data) > 0 {
		if err := json.Unmarshal(reply.Data, &answer); err != nil {
			a.t.Fatalf("put to %s: %v: %s", m.Subject, err, reply.Data)
		}
	}
	if answer.Error != nil {
		return false, answer.Error.Description
	}
	return answer.Sequence != 0 && !answer.Dup, ""
}

// own are the subjects on which a worker may store something.
func (w *worker) own() map[string]string {
	return map[string]string{
		"yields": "$KV.mn-yields." + w.intent.ExecutionKey, "outcomes": "$KV.mn-outcomes." + w.intent.ExecutionKey,
		"logs": "mn.logs." + w.intent.ExecutionKey,
	}
}

// state is all that the system keeps, but for what is the attacker's own to
// write: streams as they are configured, every message of them, and where their
// consumers stand.
func (w *world) state() map[string]string {
	w.t.Helper()
	ctx, state := w.t.Context(), map[string]string{}
	note := func(key string, value any) {
		text, err := json.Marshal(value)
		w.must(err)
		state[key] = string(text)
	}
	list := w.js.ListStreams(ctx)
	for info := range list.Info() {
		name := info.Config.Name
		note(name, info.Config)
		stream, err := w.js.Stream(ctx, name)
		w.must(err)
		for sequence := info.State.FirstSeq; sequence <= info.State.LastSeq; sequence++ {
			m, err := stream.GetMsg(ctx, sequence)
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				continue
			}
			w.must(err)
			if !w.isMine(m.Subject) {
				note(name+" "+m.Subject+" "+string(m.Data), m.Header)
			}
		}
		// Those of clients come and go with them.
		if consumer, err := stream.Consumer(ctx, "dispatch"); err == nil && !strings.Contains(name, "-mine-") {
			now, err := consumer.Info(ctx)
			w.must(err)
			note(name+" dispatch", []any{now.Config, now.AckFloor.Stream, now.NumAckPending, now.NumPending, now.NumRedelivered})
		}
	}
	w.must(list.Err())
	return state
}

func (w *world) isMine(subject string) bool {
	for _, own := range w.mine.own() {
		if subject == own {
			return true
		}
	}
	return strings.HasPrefix(subject, "$KV.mn-invocations.mine.")
}

// unharmed checks that nothing has changed since then, and that all of it works.
func (w *world) unharmed(before map[string]string) {
	w.t.Helper()
	now := w.state()
	for key, value := range before {
		if now[key] != value {
			w.t.Errorf("harm was done: %s was\n%s and is\n%s", key, value, now[key])
		}
	}
	for key, value := range now {
		if _, known := before[key]; !known {
			w.t.Errorf("harm was done: new is %s: %s", key, value)
		}
	}
	output, _, err := w.store.LatestYield(w.t.Context(), w.victim.ExecutionKey)
	if err != nil || string(output) != `"`+secret+`"` {
		w.t.Errorf("the victim's yield is %q, %v", output, err)
	}
}
