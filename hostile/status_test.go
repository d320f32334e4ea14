package hostile_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"multinode"
)

// Clients of NATS take an empty message with a Status header for a word of the
// server's. A worker can store one where others read.
func TestAStatusHeaderStopsNobody(t *testing.T) {
	for _, status := range []nats.Header{
		{"Status": {"400"}, "Description": {"Bad Request"}},
		{"Status": {"404"}, "Description": {"No Messages"}},
		{"Status": {"408"}, "Description": {"Request Timeout"}},
		{"Status": {"409"}, "Description": {"Consumer Deleted"}},
		{"Status": {"409"}, "Description": {"Leadership Change"}},
		{"Status": {"503"}, "Description": {"No Responders"}},
		{"Status": {"100"}, "Description": {"Idle Heartbeat"}},
	} {
		t.Run(status.Get("Status")+" "+status.Get("Description"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.attack(w.mine)
			notices, stop, err := w.store.YieldNotices(w.victim.Invocation)
			w.must(err)
			defer stop()
			for _, own := range w.mine.own() {
				a.put(&nats.Msg{Subject: own, Header: status})
			}
			w.must(w.victim.link.PutYield(t.Context(), []byte("1")))
			w.arrives(notices, "the notice of the victim's yield")
			_, err = w.victim.link.PutOutcome(t.Context(), multinode.Outcome{Kind: multinode.OutcomeSucceeded, Output: []byte("1")})
			w.must(err)
			w.until(w.victim.ExecutionKey, "SUCCEEDED", func(i multinode.Invocation) bool { return i.Status == multinode.Succeeded })
			// Its own execution ends, as after any other unreadable outcome.
			w.until(w.mine.ExecutionKey, "ended", func(i multinode.Invocation) bool {
				return i.Executions[0].State == multinode.Ended
			})
		})
	}
}
