package dispatcher

import (
	"testing"
	"time"

	"multinode"
)

// A slot that is freed is to be taken at once: there is no time for a write that can
// only be refused.
func TestWhatIsDeliveredIsBegunByOneWrite(t *testing.T) {
	for name, waited := range map[string]bool{"at once, without a record": false, "after it waited in line": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			k := b.accept()
			if waited {
				_, _, err := b.store.Record(t.Context(), k) // as a gateway makes it
				must(t, err)
				b.clock = newClockAt(time.Now().Add(2 * recordLikely))
			}
			delivery := b.delivery()
			writes, err := b.nc.SubscribeSync("$KV.mn-invocations.>")
			must(t, err)
			must(t, newLease(b.dispatcher(newCompute("here")), delivery).begin(t.Context()))
			must(t, b.nc.Flush())
			if r := b.record(k); len(r.Executions) != 1 || r.Executions[0].State != multinode.Starting {
				t.Errorf("%+v", r)
			}
			if n, _, err := writes.Pending(); err != nil || n != 1 {
				t.Errorf("it took %d writes: %v", n, err)
			}
		})
	}
}
