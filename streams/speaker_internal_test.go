package streams

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"multinode"
)

// listener notes who spoke.
type listener struct{ heard []multinode.ExecutionKey }

func (l *listener) Hello(_ context.Context, k multinode.ExecutionKey, _ string) (*multinode.Assignment, bool) {
	l.heard = append(l.heard, k)
	return nil, false
}

func (l *listener) Beat(k multinode.ExecutionKey, _ multinode.Beat) (multinode.Desired, bool) {
	l.heard = append(l.heard, k)
	return "", false
}

// FuzzSpeaker: whatever a worker says of itself, it speaks for the execution of its
// subject, which is what its credentials allow, and for no other.
func FuzzSpeaker(f *testing.F) {
	f.Add("exe-1", []byte(`{"incarnation":"w","key":"p.g.f.inv-1.exe-1"}`))
	f.Add("exe-1", []byte(`{"incarnation":"w","key":"p.g.f.inv-1.exe-2"}`))
	f.Add("=00", []byte(`{"incarnation":"w","elapsed":-1}`))
	f.Add("exe-1", []byte(`{"incarnation":"w","elapsed":1e400,"key":"...."}`))
	f.Add(".", []byte(`[]`))
	f.Fuzz(func(t *testing.T, token string, said []byte) {
		l, s := &listener{}, &Store{log: slog.New(slog.DiscardHandler)}
		s.answerHello(t.Context(), l, &nats.Msg{Subject: helloSubjects + "." + token, Data: said})
		s.answerBeat(l, &nats.Msg{Subject: beatSubjects + "." + token, Data: said})
		for _, k := range l.heard {
			if Token(k.ID) != token {
				t.Errorf("a worker on %q spoke for %+v", token, k)
			}
		}
	})
}

// FuzzDelivery: only what a consumer sends has a place in a stream.
func FuzzDelivery(f *testing.F) {
	f.Add("$JS.ACK.s.c.1.2.3.4.5")
	f.Add("$JS.ACK.d.a.s.c.1.2.3.4.5.t")
	f.Add("$JS.ACK.s.c.1.-2.3.99999999999999999999.5")
	f.Add("$JS.ACK......0.0.0") // one token too many, or one too few
	f.Add("_INBOX.x")
	f.Add("")
	f.Fuzz(func(t *testing.T, reply string) {
		if read, ok := parseDelivery(&nats.Msg{Subject: "s", Reply: reply}); ok && !strings.HasPrefix(reply, "$JS.ACK.") {
			t.Errorf("%q was read as %+v", reply, read)
		}
	})
}
