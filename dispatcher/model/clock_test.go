package model_test

import (
	"strings"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/nats-io/nats.go"

	"multinode"
)

// fastClock goes on whenever everybody has done what the last step asked of them:
// time flies, and nobody is late for that.
type fastClock struct {
	*clockwork.FakeClock
	mu       sync.Mutex
	renewed  map[string]bool // leases since the last step
	stepped  time.Time       // by the real clock
	answered map[*worker]int64
}

// stuck is when a step is made all the same: a lease may have been dropped.
const stuck = time.Second

func (w *world) startClock(nc *nats.Conn) {
	w.fleet.clocked = true
	w.clock = &fastClock{
		FakeClock: clockwork.NewFakeClockAt(time.Now()), renewed: map[string]bool{}, stepped: time.Now(), answered: map[*worker]int64{},
	}
	_, err := nc.Subscribe("$JS.ACK.>", func(m *nats.Msg) {
		if strings.HasPrefix(string(m.Data), "+WPI") {
			w.clock.mu.Lock()
			defer w.clock.mu.Unlock()
			w.clock.renewed[m.Subject] = true
		}
	})
	w.must(err)
	w.must(nc.Flush())
}

// advance makes one step of the length of a renewal, if it is time: all workers
// that beat have been answered since the last, and all leases renewed.
func (c *fastClock) advance(f *fleet) {
	if c == nil {
		return
	}
	f.mu.Lock()
	alive := 0
	beats := map[*worker]int64{}
	for _, w := range f.workers {
		if !w.alive {
			continue
		}
		alive++
		n := w.beats.Load()
		_, known := c.answered[w]
		quiet := w.does == silent && w.processes.Load() > 0
		if !quiet && (n == 0 || known && n == c.answered[w]) {
			f.mu.Unlock()
			return // still starting, or ending, or about to beat
		}
		beats[w] = n
	}
	f.mu.Unlock()
	c.mu.Lock()
	ready := len(c.renewed) >= min(alive, len(c.answered)) || time.Since(c.stepped) > stuck
	if ready {
		c.renewed = map[string]bool{}
		c.stepped, c.answered = time.Now(), beats
	}
	c.mu.Unlock()
	if ready {
		c.Advance(multinode.RenewInterval)
	}
}
