package streams

import (
	"strings"

	"github.com/nats-io/nats.go"
)

// elections are what a cluster tells of each consumer that has a new leader: the
// tokens are the stream's and the consumer's name.
const elections = "$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED."

// followElections asks anew where the leader of a consumer has changed: the one
// before may have died with what it was asked, which nobody reports.
func (i *Intake) followElections() (*nats.Subscription, error) {
	return i.store.nc.Subscribe(elections+"*."+consumerName, func(m *nats.Msg) {
		stream, _, _ := strings.Cut(strings.TrimPrefix(m.Subject, elections), ".")
		i.mu.Lock()
		defer i.mu.Unlock()
		if p := i.pulls[stream]; p != nil {
			p.remaining = 0 // the next check asks, when the news has got around
		}
	})
}
