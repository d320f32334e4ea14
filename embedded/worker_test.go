package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded"
	"multinode/embedded/embeddedtest"
)

const patience = 10 * time.Second

// newExecution returns an execution's ID and key.
func newExecution() (id, key string) {
	id = multinode.NewID(multinode.ExecutionPrefix)
	return id, "my=20project.abcdefgh.f." + multinode.NewID(multinode.InvocationPrefix) + "." + id
}

// worker is a connection with an execution's credentials, and what the server
// said against it.
type worker struct {
	*nats.Conn
	id, key string
	errs    chan error
}

func mintWorker(t testing.TB, s *embedded.Server, id, key string, expires time.Time) []byte {
	t.Helper()
	creds, err := s.MintWorker(id, key, expires)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

func dialWorker(t testing.TB, s *embedded.Server, id, key string, options ...nats.Option) worker {
	t.Helper()
	w := worker{id: id, key: key, errs: make(chan error, 100)}
	creds := mintWorker(t, s, id, key, time.Now().Add(time.Hour))
	options = append([]nats.Option{
		nats.UserCredentialBytes(creds),
		nats.CustomInboxPrefix("_INBOX_" + id),
		nats.Timeout(patience),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { w.errs <- err }),
	}, options...)
	conn, err := nats.Connect(s.URL(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	w.Conn = conn
	return w
}

// refused waits for the server's word that it did not allow something.
func (w worker) refused(t *testing.T) error {
	t.Helper()
	select {
	case err := <-w.errs:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Fatalf("not a permission violation: %v", err)
		}
		return err
	case <-time.After(patience):
		t.Fatal("the server did not refuse it")
		return nil
	}
}

// put is a JetStream publish as a worker does it: a request.
func (w worker) put(t testing.TB, m *nats.Msg) jetstream.PubAck {
	t.Helper()
	reply, err := w.RequestMsg(m, patience)
	if err != nil {
		t.Fatalf("put %s: %v", m.Subject, err)
	}
	var answer struct {
		jetstream.PubAck
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		t.Fatalf("put %s: answer %q: %v", m.Subject, reply.Data, err)
	}
	if answer.Error != nil {
		answer.Sequence = 0
	}
	return answer.PubAck
}

func (w worker) putText(t testing.TB, subject, text string) bool {
	t.Helper()
	return w.put(t, &nats.Msg{Subject: subject, Data: []byte(text)}).Sequence != 0
}

func connect(t testing.TB, s *embedded.Server) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := s.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// writeOnce, latest and logs are configured as the system's own streams are.
func makeStreams(t testing.TB, js jetstream.JetStream) (outcomes, yields, logs jetstream.Stream) {
	t.Helper()
	create := func(c jetstream.StreamConfig) jetstream.Stream {
		c.AllowDirect = true
		s, err := js.CreateStream(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	outcomes = create(jetstream.StreamConfig{
		Name: "KV_mn-outcomes", Subjects: []string{"$KV.mn-outcomes.>"},
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, DiscardNewPerSubject: true,
	})
	yields = create(jetstream.StreamConfig{
		Name: "KV_mn-yields", Subjects: []string{"$KV.mn-yields.>"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew,
	})
	logs = create(jetstream.StreamConfig{Name: "mn-logs", Subjects: []string{"mn.logs.>"}})
	return outcomes, yields, logs
}

func stored(t testing.TB, s jetstream.Stream, subject string) (*jetstream.RawStreamMsg, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return m, true
}

func TestWorkerDoesItsWork(t *testing.T) {
	s := embeddedtest.Start(t)
	app, js := connect(t, s)
	outcomes, yields, logs := makeStreams(t, js)
	id, key := newExecution()
	w := dialWorker(t, s, id, key)

	for _, what := range []string{"hello", "beat"} {
		subject := "mn.worker." + what + "." + id
		if _, err := w.Request(subject, nil, patience); !errors.Is(err, nats.ErrNoResponders) {
			t.Errorf("%s with nobody there: %v", what, err)
		}
		if _, err := app.Subscribe("mn.worker."+what+".*", func(m *nats.Msg) {
			_ = m.Respond([]byte(what + " " + m.Subject))
		}); err != nil {
			t.Fatal(err)
		}
		if err := app.Flush(); err != nil {
			t.Fatal(err)
		}
		reply, err := w.Request(subject, nil, patience)
		if err != nil || string(reply.Data) != what+" "+subject {
			t.Errorf("%s: %v %v", what, reply, err)
		}
	}

	for _, text := range []string{"1", "2"} {
		if !w.putText(t, "$KV.mn-yields."+key, text) {
			t.Errorf("yield %s was refused", text)
		}
	}
	if m, ok := stored(t, yields, "$KV.mn-yields."+key); !ok || string(m.Data) != "2" {
		t.Errorf("the stored yield is %v", m)
	}
	if !w.putText(t, "mn.logs."+key, "lines") {
		t.Error("a log batch was refused")
	}
	if m, ok := stored(t, logs, "mn.logs."+key); !ok || string(m.Data) != "lines" {
		t.Errorf("the stored batch is %v", m)
	}

	put := &nats.Msg{Subject: "$KV.mn-outcomes." + key, Data: []byte("first"), Header: nats.Header{"Kind": {"SUCCEEDED"}}}
	if w.put(t, put).Sequence == 0 {
		t.Error("the first outcome was refused")
	}
	if w.putText(t, "$KV.mn-outcomes."+key, "second") {
		t.Error("a second outcome was accepted")
	}
	if m, ok := stored(t, outcomes, "$KV.mn-outcomes."+key); !ok || string(m.Data) != "first" || m.Header.Get("Kind") != "SUCCEEDED" || m.Header.Get("Nats-Request-Info") != "" {
		t.Errorf("the stored outcome is %v", m)
	}
}

func TestWorkerHearsWhatItIsTold(t *testing.T) {
	s := embeddedtest.Start(t)
	app, _ := connect(t, s)
	id, key := newExecution()
	w := dialWorker(t, s, id, key)
	told, err := w.SubscribeSync("mn.worker.tell." + id)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := app.Publish("mn.worker.tell."+id, []byte("cancel")); err != nil {
		t.Fatal(err)
	}
	if m, err := told.NextMsg(patience); err != nil || string(m.Data) != "cancel" {
		t.Errorf("told %v, %v", m, err)
	}
}

// The longest names of the system, and the biggest bodies, go through.
func TestLongKeysAndBigBodies(t *testing.T) {
	s := embeddedtest.Start(t)
	_, js := connect(t, s)
	outcomes, _, _ := makeStreams(t, js)
	id := multinode.NewID(multinode.ExecutionPrefix)
	escaped := func(codePoints int) string {
		b := make([]byte, 0, codePoints*12)
		for range codePoints {
			b = append(b, "=F0=9F=90=8D"...)
		}
		return string(b)
	}
	key := escaped(multinode.MaxProjectName) + ".abcdefgh." + escaped(multinode.MaxFunctionName) + "." +
		multinode.NewID(multinode.InvocationPrefix) + "." + id
	w := dialWorker(t, s, id, key)
	body := make([]byte, multinode.MaxPayload-1024)
	if w.put(t, &nats.Msg{Subject: "$KV.mn-outcomes." + key, Data: body}).Sequence == 0 {
		t.Error("refused")
	}
	if m, ok := stored(t, outcomes, "$KV.mn-outcomes."+key); !ok || len(m.Data) != len(body) {
		t.Error("not stored")
	}
}

func later() time.Time { return time.Now().Add(time.Hour) }
