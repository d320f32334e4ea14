package dispatcher_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// A backup without consumers is restored to a server that has none: every request
// is delivered again, and what has ended stays as it is.
func TestConsumersThatAreMissingAreMadeAgain(t *testing.T) {
	s := newSystem(t, prelude+`
@mn.function()
def f(n):
    return n
`, fn("f"))
	p := s.deploy("p")
	first := s.invoke(p, "f", 1)
	s.end(first)
	s.stop()
	second := s.invoke(p, "f", 2)

	nc, err := s.server.Connect("restore")
	s.must(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	s.must(err)
	for name := range js.StreamNames(t.Context()).Name() {
		if strings.HasPrefix(name, "mn-invoke-") {
			s.must(js.DeleteConsumer(t.Context(), name, "dispatch"))
		}
	}

	s.start()
	for _, k := range []multinode.InvocationKey{second, first} {
		if r := s.end(k); r.Status != multinode.Succeeded || len(r.Executions) != 1 {
			t.Errorf("%+v", r)
		}
	}
}
