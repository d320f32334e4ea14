package hostile_test

import (
	"testing"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/streams"
)

// A worker that is not ours keeps to no bound of its log. The server does: no line
// of anybody else goes for it.
func TestAFloodOfLogsPushesNobodyElsesOut(t *testing.T) {
	w := newWorld(t)
	a := w.attack(w.mine)
	m := nats.NewMsg(w.mine.own()["logs"])
	m.Data = make([]byte, 120<<10)
	for range 2 * logBytes / len(m.Data) {
		if stored, refusal := a.put(m); !stored {
			t.Fatalf("its own log is refused: %s", refusal)
		}
	}
	m.Data = make([]byte, streams.MaxLogBatch+1)
	if stored, _ := a.put(m); stored {
		t.Error("a batch of any size is stored")
	}
	for _, k := range []multinode.ExecutionKey{w.victim.ExecutionKey, w.finished} {
		lines, _, err := w.store.Logs(t.Context(), k, "", 10)
		if err != nil || len(lines) != 1 || lines[0].Text != secret {
			t.Errorf("the log of %s is %+v: %v", k.ID, lines, err)
		}
	}
}
