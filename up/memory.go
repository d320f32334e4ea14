package up

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// memoryInterval is how often it is looked how much was allocated.
	memoryInterval = 5 * time.Second
	// memoryBusy is how much of that makes an interval a busy one, in bytes.
	memoryBusy = 16 << 20
)

// giveBackMemory gives the memory that a burst took, and that nothing holds any
// more, back to the machine when the burst is over. By itself the runtime keeps about
// as much again as is held, until there is another burst.
func giveBackMemory(ctx context.Context) error {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	for b := (burst{under: true}); ; { // the start is one
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if b.over(allocated()) {
			debug.FreeOSMemory()
		}
	}
}

// allocated is how many bytes were ever allocated.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// burst is a time in which much is allocated.
type burst struct {
	under  bool
	before uint64 // what had been allocated at the last look
}

// over tells whether a burst has ended since the last look.
func (b *burst) over(allocated uint64) bool {
	busy := allocated-b.before >= memoryBusy
	ended := b.under && !busy
	b.under, b.before = busy, allocated
	return ended
}
