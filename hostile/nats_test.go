package hostile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/streams"
)

// What the victim's things are called.
func (w *world) names() map[string]string {
	p := w.victim.Invocation
	return map[string]string{
		"{exe}": w.victim.ID, "{key}": w.victim.intent.ExecutionKey, "{done}": streams.ExecutionKeyName(w.finished),
		"{record}": streams.InvocationKeyName(p), "{inv}": p.ID, "{gen}": p.Generation,
		"{requests}": "mn-invoke-" + p.Generation + "-theirs-f", "{mine}": w.mine.intent.ExecutionKey, "{me}": w.mine.ID,
		"{version}": w.victim.intent.Version,
	}
}

func (w *world) fill(subject string) string {
	for name, value := range w.names() {
		subject = strings.ReplaceAll(subject, name, value)
	}
	return subject
}

func TestAWorkerHearsNothingOfOthers(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	a := w.attack(w.mine)
	for _, subject := range []string{
		">", "*", "*.>", "$KV.>", "$KV.mn-registry.>", "$KV.mn-invocations.>", "$KV.mn-yields.>", "$KV.mn-yields.{key}",
		"$KV.mn-outcomes.{key}", "$KV.mn-outcomes.*.*.*.*.*", "mn.>", "mn.logs.>", "mn.logs.{key}", "mn.invoke.>", "mn.invoke.theirs.f.*",
		"mn.worker.>", "mn.worker.tell.>", "mn.worker.tell.{exe}", "mn.worker.hello.*", "mn.worker.beat.{exe}", "mn.worker.beat.{me}",
		"mn.cancel.>", "mn.build.>", "$O.>", "$JS.>", "$JS.EVENT.>", "$JS.API.>", "$JS.ACK.>", "$SYS.>", "$SYS.ACCOUNT.>", "_INBOX.>",
		"_INBOX_{exe}.>", "_R_.>", "_GR_.>", "$NRG.>", "$GNR.>", "$G.>",
	} {
		if _, err := a.SubscribeSync(w.fill(subject)); err != nil {
			t.Fatal(err)
		}
		a.refused("to subscribe to " + subject)
	}
	if _, err := a.QueueSubscribeSync("mn.worker.hello.>", "thieves"); err != nil {
		t.Fatal(err)
	}
	a.refused("to take hellos from the dispatchers")
	w.unharmed(before)
}

func TestAWorkerPublishesNothingOfOthers(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	a := w.attack(w.mine)
	for _, subject := range []string{
		// to read
		"$JS.API.DIRECT.GET.KV_mn-yields.$KV.mn-yields.{key}", "$JS.API.DIRECT.GET.KV_mn-outcomes.$KV.mn-outcomes.{done}",
		"$JS.API.DIRECT.GET.KV_mn-registry", "$JS.API.DIRECT.GET.KV_mn-registry.$KV.mn-registry.env.theirs.{gen}.{version}",
		"$JS.API.DIRECT.GET.KV_mn-registry.$KV.mn-registry.secret.workers", "$JS.API.DIRECT.GET.{requests}.mn.invoke.theirs.f.{inv}",
		"$JS.API.STREAM.MSG.GET.KV_mn-invocations", "$JS.API.STREAM.MSG.GET.KV_mn-registry", "$JS.API.STREAM.MSG.GET.mn-logs",
		"$JS.API.STREAM.MSG.GET.OBJ_mn-code", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.API.STREAM.INFO.KV_mn-registry", "$JS.API.INFO",
		"$JS.API.CONSUMER.CREATE.KV_mn-registry", "$JS.API.CONSUMER.CREATE.KV_mn-yields.c.$KV.mn-yields.>", "$JS.API.CONSUMER.CREATE.mn-logs.c",
		"$JS.API.CONSUMER.DURABLE.CREATE.KV_mn-invocations.c", "$JS.API.CONSUMER.MSG.NEXT.{requests}.dispatch", "$JS.API.CONSUMER.INFO.{requests}.dispatch",
		"$JS.API.STREAM.SNAPSHOT.KV_mn-registry",
		// to write in others' names
		"$KV.mn-outcomes.{key}", "$KV.mn-yields.{key}", "mn.logs.{key}", "$KV.mn-invocations.{record}", "$KV.mn-registry.project.theirs",
		"$KV.mn-registry.secret.workers", "$O.mn-code.C.x", "mn.invoke.theirs.f.evil", "mn.invoke.mine.f.evil", "mn.cancel.{inv}",
		"mn.build.theirs.{gen}.{version}", "mn.worker.hello.{exe}", "mn.worker.beat.{exe}", "mn.worker.tell.{exe}", "mn.worker.tell.{me}",
		"$KV.mn-yields.{mine}.x", "$KV.mn-outcomes.mine", "mn.logs.{mine}.x",
		// to acknowledge, extend and put back
		"$JS.ACK.{requests}.dispatch.1.1.1.1.1", "$JS.ACK._._.{requests}.dispatch.1.1.1.1.1.x", "$JS.FC.{requests}.dispatch.x",
		// to destroy
		"$JS.API.STREAM.DELETE.KV_mn-outcomes", "$JS.API.STREAM.PURGE.KV_mn-yields", "$JS.API.STREAM.MSG.DELETE.KV_mn-outcomes",
		"$JS.API.STREAM.UPDATE.KV_mn-outcomes", "$JS.API.STREAM.CREATE.evil", "$JS.API.STREAM.RESTORE.evil", "$JS.API.CONSUMER.DELETE.{requests}.dispatch",
		"$JS.API.CONSUMER.PAUSE.{requests}.dispatch", "$JS.API.STREAM.LEADER.STEPDOWN.mn-logs", "$JS.API.ACCOUNT.PURGE.x", "$JS.API.SERVER.REMOVE",
		"$SYS.REQ.SERVER.PING", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT.x.CLAIMS.UPDATE", "$SYS.REQ.SERVER.x.RELOAD", "$SYS.REQ.SERVER.x.KICK",
		"$SYS.REQ.USER.AUTH", "_INBOX.x", "_INBOX_{exe}.x", "_R_.x",
	} {
		if err := a.PublishRequest(w.fill(subject), "_INBOX_"+w.mine.ID+".x", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
		a.refused("to publish to " + subject)
	}
	w.unharmed(before)
}

// What a worker asks is answered in the application's account; where it wants the
// answer sent must not make that a request of the application's own.
func TestForgedReplySubjectsDoNothing(t *testing.T) {
	w := newWorld(t)
	before := w.state()
	a := w.attack(w.mine)
	sources := []string{"mn.worker.hello.{me}", "mn.worker.beat.{me}"}
	for _, own := range w.mine.own() {
		sources = append(sources, own)
	}
	for _, target := range []string{
		"$JS.API.STREAM.DELETE.KV_mn-outcomes", "$JS.API.STREAM.DELETE.{requests}", "$JS.API.STREAM.PURGE.KV_mn-yields", "$JS.API.CONSUMER.DELETE.{requests}.dispatch",
		"mn.invoke.theirs.f.evil", "mn.cancel.{inv}", "$KV.mn-outcomes.{key}", "$KV.mn-yields.{key}", "$KV.mn-registry.project.theirs", "mn.logs.{key}",
		"mn.worker.tell.{exe}", "mn.worker.hello.{exe}", "mn.worker.beat.{exe}", "$SYS.REQ.SERVER.PING",
	} {
		for _, source := range sources {
			if err := a.PublishRequest(w.fill(source), w.fill(target), []byte(`{"incarnation":"x"}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// These the server refuses outright.
	for _, target := range []string{"$JS.ACK.{requests}.dispatch.1.1.1.1.1", "_R_.x.y"} {
		for _, source := range sources {
			if err := a.PublishRequest(w.fill(source), w.fill(target), nil); err != nil {
				t.Fatal(err)
			}
			a.refused("to have " + source + " answered at " + target)
		}
	}
	// One connection's messages are handled in their order, and so are a stream's;
	// twice, as the answers of one stream would be messages to another.
	for range 2 {
		for _, own := range w.mine.own() {
			a.put(&nats.Msg{Subject: own})
		}
	}
	w.must(w.app.Flush())
	w.unharmed(before)
	select {
	case said := <-w.victim.link.Desires():
		t.Errorf("the victim was told %q", said)
	default:
	}
}

// A worker says in the body which invocation it belongs to. Its subject says
// which execution it is, and that is what its credentials allow.
func TestAWorkerCannotSpeakForAnother(t *testing.T) {
	w := newWorld(t)
	w.accept(multinode.Project{Name: "theirs", Generation: w.victim.Invocation.Generation}, secret)
	late := w.intended() // whoever is taken for it gets its input
	before := w.state()
	a := w.attack(w.mine)
	forged := streams.ExecutionKeyName(w.victim.Invocation.Execution(w.mine.ID))
	for _, key := range []string{w.victim.intent.ExecutionKey, late.intent.ExecutionKey, forged, "x", ">"} {
		for _, subject := range []string{"mn.worker.hello.", "mn.worker.beat."} {
			m, err := a.Request(subject+w.mine.ID, []byte(`{"incarnation":"evil","key":"`+key+`"}`), time.Second)
			if err != nil && !errors.Is(err, nats.ErrTimeout) {
				t.Errorf("%s as %s: %v", subject, key, err)
			}
			if err == nil && (strings.Contains(string(m.Data), secret) || strings.Contains(m.Header.Get("Mn-Assignment"), "theirs")) {
				t.Errorf("%s as %s is given %s %s", subject, key, m.Header, m.Data)
			}
		}
	}
	w.unharmed(before)
	if desired, err := w.victim.link.Beat(t.Context(), multinode.Beat{}); err != nil || desired != multinode.Run {
		t.Errorf("the victim hears %q, %v", desired, err)
	}
	if given, err := late.link.Hello(t.Context()); err != nil || string(given.Input) != secret {
		t.Errorf("the other one is given %+v, %v", given, err)
	}
}
