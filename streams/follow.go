package streams

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Workers write to the streams that are followed here, and choose the headers of
// what they write. The consumers of the jetstream package take an empty message
// with a Status header for a word of the server's: one such message of one worker
// would end them, or have them begin again and again. So these pull by
// themselves, and tell the server's words by the reply subject, which nobody
// else chooses.

const (
	// followBatch is how many messages are asked for at a time.
	followBatch = 256
	// followHeartbeat is how often the server says that it is still there, and
	// followSilence how long it may say nothing.
	followHeartbeat = 5 * time.Second
	followSilence   = 3 * followHeartbeat
	// followKept is how long the server keeps a consumer that nobody asks.
	followKept = time.Minute
	// followPause is the wait before a consumer is made anew.
	followPause = 500 * time.Millisecond
)

// stored is a message of a stream.
type stored struct {
	Subject string
	Data    []byte
	Time    time.Time

	sequence uint64 // in the stream
	delivery uint64 // in the consumer, without gaps
}

// follower hands the messages of a stream on, in order and each once.
type follower struct {
	store  *Store
	stream string
	config jetstream.ConsumerConfig
	each   func(stored)

	reconnects chan nats.Status

	consumer string
	sub      *nats.Subscription
	messages chan *nats.Msg
	received uint64 // of this consumer
	last     uint64 // sequence of the last message handed on
}

// follow hands the messages that the config chooses to each, one at a time, until
// ctx ends, and then calls done once, and nothing after it; each must return when
// ctx ends. It returns once it follows. Where it returns an error it called
// neither.
func (s *Store) follow(ctx context.Context, stream string, config jetstream.ConsumerConfig, each func(stored), done func()) error {
	config.AckPolicy, config.MaxDeliver = jetstream.AckNonePolicy, 1
	config.MemoryStorage, config.Replicas = true, 1
	config.InactiveThreshold = followKept
	f := &follower{store: s, stream: stream, config: config, each: each, reconnects: s.nc.StatusChanged(nats.CONNECTED)}
	if err := f.open(ctx); err != nil {
		s.nc.RemoveStatusListener(f.reconnects)
		return classify("follow "+stream, err)
	}
	go func() {
		defer done()
		defer s.nc.RemoveStatusListener(f.reconnects)
		defer f.close()
		for ctx.Err() == nil {
			if f.pull(ctx) {
				continue
			}
			f.close()
			for pause(ctx, followPause) && f.open(ctx) != nil {
				continue
			}
		}
	}()
	return nil
}

// open makes a consumer that begins behind the last message.
func (f *follower) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	config := f.config
	if f.last > 0 {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.last+1
	}
	consumer, err := f.store.js.CreateConsumer(ctx, f.stream, config)
	if err != nil {
		return err
	}
	f.messages = make(chan *nats.Msg, 2*followBatch) // one pull and the server's words
	if f.sub, err = f.store.nc.ChanSubscribe(nats.NewInbox(), f.messages); err != nil {
		return err
	}
	f.consumer, f.received = consumer.CachedInfo().Name, 0
	return nil
}

// close forgets the consumer. The server does so too, sooner or later.
func (f *follower) close() {
	if f.sub == nil {
		return
	}
	_ = f.sub.Unsubscribe() // fails where the connection is closed
	_ = f.store.nc.Publish("$JS.API.CONSUMER.DELETE."+f.stream+"."+f.consumer, nil)
	f.sub = nil
}

// pull asks for messages once and hands them on. It returns false where the
// consumer has to be made anew.
func (f *follower) pull(ctx context.Context) bool {
	ask, err := json.Marshal(map[string]int64{
		"batch": followBatch, "expires": int64(pullExpiry), "idle_heartbeat": int64(followHeartbeat),
	})
	if err != nil {
		return false
	}
	if f.store.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+f.stream+"."+f.consumer, f.sub.Subject, ask) != nil {
		return false
	}
	silence := time.NewTimer(followSilence)
	defer silence.Stop()
	for range followBatch {
		for more := true; more; {
			var m *nats.Msg
			select {
			case m = <-f.messages:
			case <-silence.C:
				return false
			case <-f.reconnects: // what was asked for before may be lost
				return false
			case <-ctx.Done():
				return true
			}
			silence.Reset(followSilence)
			message, ok := parseDelivery(m)
			if ok {
				if message.delivery != f.received+1 {
					return false // there is a gap
				}
				f.received, f.last = message.delivery, message.sequence
				f.each(message)
				more = false
				continue
			}
			switch m.Header.Get("Status") {
			case "100": // a heartbeat
			case "404", "408": // the pull has ended
				return true
			default:
				return false
			}
		}
	}
	return true
}

// parseDelivery reads a consumer's message; false for what is a word of the
// server's.
func parseDelivery(m *nats.Msg) (stored, bool) {
	// $JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.delivery.time.pending[.token]
	tokens := strings.Split(m.Reply, ".")
	if len(tokens) < 9 || tokens[0] != "$JS" || tokens[1] != "ACK" {
		return stored{}, false
	}
	at := 5
	if len(tokens) > 9 {
		at = 7
	}
	var numbers [3]int64
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseInt(tokens[at+i], 10, 64); err != nil {
			return stored{}, false
		}
	}
	return stored{
		Subject: m.Subject, Data: m.Data, Time: time.Unix(0, numbers[2]).UTC(),
		sequence: uint64(numbers[0]), delivery: uint64(numbers[1]),
	}, true
}
