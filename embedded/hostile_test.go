package embedded_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode/embedded/embeddedtest"
)

func TestWorkerCannotPublishElsewhere(t *testing.T) {
	s := embeddedtest.Start(t)
	app, js := connect(t, s)
	outcomes, _, _ := makeStreams(t, js)
	heard, err := app.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Flush(); err != nil {
		t.Fatal(err)
	}
	id, key := newExecution()
	sibling, siblingKey := newExecution()
	w := dialWorker(t, s, id, key)

	for _, subject := range []string{
		"$KV.mn-outcomes." + siblingKey,
		"$KV.mn-yields." + siblingKey,
		"mn.logs." + siblingKey,
		"$KV.mn-invocations." + key,
		"$KV.mn-registry.keys",
		"mn.worker.hello." + sibling,
		"mn.worker.beat." + sibling,
		"mn.worker.tell." + id,
		"mn.worker.tell." + sibling,
		"_INBOX_" + sibling + ".x",
		"mn.invoke.p.f.i",
		"$JS.API.STREAM.DELETE.KV_mn-outcomes",
		"$JS.API.STREAM.PURGE.KV_mn-outcomes",
		"$JS.API.STREAM.MSG.GET.KV_mn-outcomes",
		"$JS.API.DIRECT.GET.KV_mn-outcomes.$KV.mn-outcomes." + key,
		"$JS.API.INFO",
		"$JS.ACK.mn-invoke.c.1.1.1.1.1",
		"$SYS.REQ.SERVER.PING",
		"$SYS.REQ.ACCOUNT.PING.CONNZ",
		"_R_.x.y",
	} {
		if err := w.Publish(subject, []byte("evil")); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		named := subject
		if strings.HasPrefix(subject, "mn.worker.tell.") {
			named = "mn.worker.nowhere" // where the account maps it
		}
		if err := w.refused(t); !strings.Contains(err.Error(), `"`+named+`"`) {
			t.Errorf("%s: refused something else: %v", subject, err)
		}
	}
	for m, err := heard.NextMsg(0); err == nil; m, err = heard.NextMsg(0) {
		if !strings.HasPrefix(m.Subject, "$JS.EVENT.") { // of the streams' creation
			t.Errorf("the application account heard %s", m.Subject)
		}
	}
	if info, err := outcomes.Info(t.Context()); err != nil || info.State.Msgs != 0 {
		t.Errorf("outcomes: %+v, %v", info, err)
	}
}

func TestWorkerCannotSubscribeElsewhere(t *testing.T) {
	s := embeddedtest.Start(t)
	id, key := newExecution()
	sibling, siblingKey := newExecution()
	w := dialWorker(t, s, id, key)
	for _, subject := range []string{
		">", "_INBOX.>", "_INBOX_>", "_INBOX_*.>", "_INBOX_" + sibling + ".>", "*.>",
		"mn.worker.tell.*", "mn.worker.tell." + sibling, "mn.worker.>", "mn.worker.hello." + sibling,
		"mn.worker.hello." + id, "$KV.mn-outcomes." + siblingKey, "$KV.mn-outcomes." + key, "$SYS.>", "_R_.>",
	} {
		if _, err := w.SubscribeSync(subject); err != nil {
			if errors.Is(err, nats.ErrBadSubject) {
				continue
			}
			t.Fatalf("%s: %v", subject, err)
		}
		_ = w.refused(t)
	}
}

// A reply subject is the one subject that a worker names and does not have to
// have rights for.
func TestWorkerReplySubjectsStayInItsAccount(t *testing.T) {
	s := embeddedtest.Start(t)
	app, js := connect(t, s)
	outcomes, yields, logs := makeStreams(t, js)
	if _, err := app.Subscribe("mn.worker.hello.*", func(m *nats.Msg) {
		if !strings.HasPrefix(m.Reply, "_R_.") {
			t.Errorf("app is given the reply subject %s", m.Reply)
		}
		_ = m.Respond([]byte("chosen by the worker"))
	}); err != nil {
		t.Fatal(err)
	}
	heard, err := app.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.Flush(); err != nil {
		t.Fatal(err)
	}
	id, key := newExecution()
	sibling, siblingKey := newExecution()
	w := dialWorker(t, s, id, key)

	// Each of these would do harm if it were answered there, in app; or, for the
	// sibling's subjects, if an answer counted as the sibling's publish.
	targets := []string{
		"$JS.API.STREAM.DELETE.KV_mn-yields",
		"$JS.API.STREAM.PURGE.KV_mn-yields",
		"mn.invoke.p.f.i",
		"$KV.mn-outcomes." + siblingKey,
		"$KV.mn-yields." + siblingKey,
		"mn.logs." + siblingKey,
		"mn.worker.hello." + sibling,
		"mn.worker.beat." + sibling,
		"$SYS.REQ.SERVER.PING",
	}
	sources := []string{"mn.worker.hello." + id, "$KV.mn-yields." + key, "mn.logs." + key, "$KV.mn-outcomes." + key}
	for _, target := range targets {
		for _, source := range sources {
			if err := w.PublishRequest(source, target, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	// The server itself refuses these.
	for _, target := range []string{"$JS.ACK.mn-invoke.c.1.1.1.1.1", "_R_.x.y", "_GR_.x.y"} {
		for _, source := range sources {
			if err := w.PublishRequest(source, target, []byte("x")); err != nil {
				t.Fatal(err)
			}
			_ = w.refused(t)
		}
	}
	// Everything before this has been handled when its answer is here: one
	// connection's messages are handled in order, and so are a stream's.
	// Twice: the answers of one stream would be publishes to another.
	for range 2 {
		for _, subject := range []string{"$KV.mn-yields.", "mn.logs.", "$KV.mn-outcomes."} {
			w.putText(t, subject+key, "end")
		}
	}
	if _, err := w.Request("mn.worker.hello."+id, nil, patience); err != nil {
		t.Fatal(err)
	}
	if err := app.Flush(); err != nil {
		t.Fatal(err)
	}

	for _, stream := range []jetstream.Stream{outcomes, yields, logs} {
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"))
		if err != nil {
			t.Fatal(err)
		}
		for subject := range info.State.Subjects {
			if !strings.HasSuffix(subject, key) {
				t.Errorf("%s has %s", info.Config.Name, subject)
			}
		}
	}
	for {
		m, err := heard.NextMsg(0)
		if err != nil {
			break
		}
		if strings.HasSuffix(m.Subject, key) || m.Subject == "mn.worker.hello."+id || strings.HasPrefix(m.Subject, "_R_.") ||
			strings.HasPrefix(m.Subject, "$JS.API.STREAM.INFO.") || strings.HasPrefix(m.Subject, "$JS.EVENT.") || strings.HasPrefix(m.Subject, "_INBOX.") {
			continue
		}
		t.Errorf("app heard %s: %s", m.Subject, m.Data)
	}
}

// Headers with a meaning for JetStream change nothing but the worker's own key.
func TestWorkerHeadersReachOnlyItsOwnKey(t *testing.T) {
	s := embeddedtest.Start(t)
	_, js := connect(t, s)
	outcomes, yields, _ := makeStreams(t, js)
	_, siblingKey := newExecution()
	if _, err := js.Publish(t.Context(), "$KV.mn-yields."+siblingKey, []byte("keep")); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "$KV.mn-outcomes."+siblingKey, []byte("keep")); err != nil {
		t.Fatal(err)
	}
	id, key := newExecution()
	w := dialWorker(t, s, id, key)
	for name, value := range map[string]string{
		"Nats-Rollup":               "all",
		"Nats-TTL":                  "1s",
		"Nats-Batch-Id":             "b",
		"Nats-Incr":                 "+1",
		"Nats-Schedule":             "@every 1s",
		"Nats-Expected-Stream":      "other",
		"Nats-Expected-Last-Msg-Id": "other",
	} {
		for _, subject := range []string{"$KV.mn-yields." + key, "$KV.mn-outcomes." + key} {
			header := nats.Header{name: {value}}
			if name == "Nats-Batch-Id" {
				header.Set("Nats-Batch-Sequence", "1")
				header.Set("Nats-Batch-Commit", "1")
			}
			if w.put(t, &nats.Msg{Subject: subject, Header: header}).Sequence != 0 {
				t.Errorf("%s: %s was accepted", subject, name)
			}
		}
	}
	for _, c := range []struct {
		stream  jetstream.Stream
		subject string
	}{{yields, "$KV.mn-yields."}, {outcomes, "$KV.mn-outcomes."}} {
		if m, ok := stored(t, c.stream, c.subject+siblingKey); !ok || string(m.Data) != "keep" {
			t.Errorf("%s of the sibling is %v", c.subject, m)
		}
		if m, ok := stored(t, c.stream, c.subject+key); ok {
			t.Errorf("%s has %v", c.subject, m)
		}
	}
}

func TestWorkerPayloadAndSubscriptionsAreBounded(t *testing.T) {
	s := embeddedtest.Start(t)
	id, key := newExecution()
	w := dialWorker(t, s, id, key)
	if err := w.Publish("mn.logs."+key, make([]byte, w.MaxPayload()+1)); !errors.Is(err, nats.ErrMaxPayload) {
		t.Errorf("too big a payload: %v", err)
	}
	closed := make(chan struct{})
	w.SetClosedHandler(func(*nats.Conn) { close(closed) })
	for range 100 {
		if _, err := w.SubscribeSync("_INBOX_" + id + ".x"); err != nil {
			break
		}
	}
	select {
	case err := <-w.errs:
		if !errors.Is(err, nats.ErrMaxSubscriptionsExceeded) {
			t.Errorf("too many subscriptions: %v", err)
		}
	case <-closed:
	case <-time.After(patience):
		t.Error("a hundred subscriptions were allowed")
	}
}

func TestCredentialsExpire(t *testing.T) {
	s := embeddedtest.Start(t)
	id, key := newExecution()
	creds := mintWorker(t, s, id, key, time.Now().Add(time.Second))
	closed := make(chan struct{})
	conn, err := nats.Connect(s.URL(), nats.UserCredentialBytes(creds),
		nats.ReconnectWait(10*time.Millisecond), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	select {
	case <-closed: // reconnecting was refused as well, or it would go on
	case <-time.After(patience):
		t.Fatal("the connection outlived its credentials")
	}
	// The second in which they expire still counts.
	for {
		ended := make(chan struct{})
		conn, err := nats.Connect(s.URL(), nats.UserCredentialBytes(creds), nats.NoReconnect(),
			nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
			nats.ClosedHandler(func(*nats.Conn) { close(ended) }))
		if errors.Is(err, nats.ErrAuthorization) {
			return
		}
		if err != nil && strings.Contains(strings.ToLower(err.Error()), "authentication expired") {
			continue // it happened within the handshake
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
		case <-time.After(patience):
			conn.Close()
			t.Fatal("expired credentials were accepted")
		}
	}
}

// What app answers to one worker must not look to another as if it were told.
func TestWorkerCannotTellASibling(t *testing.T) {
	s := embeddedtest.Start(t)
	app, js := connect(t, s)
	makeStreams(t, js)
	if _, err := app.Subscribe("mn.worker.beat.*", func(m *nats.Msg) { _ = m.Respond([]byte("cancel")) }); err != nil {
		t.Fatal(err)
	}
	if err := app.Flush(); err != nil {
		t.Fatal(err)
	}
	id, key := newExecution()
	sibling, siblingKey := newExecution()
	attacker, victim := dialWorker(t, s, id, key), dialWorker(t, s, sibling, siblingKey)
	told, err := victim.SubscribeSync("mn.worker.tell." + sibling)
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := attacker.PublishRequest("mn.worker.beat."+id, "mn.worker.tell."+sibling, nil); err != nil {
		t.Fatal(err)
	}
	if err := attacker.PublishRequest("$KV.mn-yields."+key, "mn.worker.tell."+sibling, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := attacker.Request("mn.worker.beat."+id, nil, patience); err != nil {
		t.Fatal(err)
	}
	attacker.putText(t, "$KV.mn-yields."+key, "")
	if err := app.Publish("mn.worker.tell."+sibling, []byte("the real one")); err != nil {
		t.Fatal(err)
	}
	if m, err := told.NextMsg(patience); err != nil || string(m.Data) != "the real one" {
		t.Errorf("the sibling was told %v, %v", m, err)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	s, other := embeddedtest.Start(t), embeddedtest.Start(t)
	id, key := newExecution()
	foreign := mintWorker(t, other, id, key, time.Now().Add(time.Hour))
	foreignClient, err := other.ClientCredentials("stranger", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]nats.Option{
		"nobody":                     func(*nats.Options) error { return nil },
		"a password":                 nats.UserInfo("admin", "admin"),
		"a worker of another server": nats.UserCredentialBytes(foreign),
		"a client of another server": nats.UserCredentialBytes(foreignClient),
	} {
		if conn, err := nats.Connect(s.URL(), option); !errors.Is(err, nats.ErrAuthorization) {
			conn.Close()
			t.Errorf("%s: %v", name, err)
		}
	}
}
