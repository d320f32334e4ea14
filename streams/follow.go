package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Whatever is followed for the life of a process is followed by this. The watches
// of the jetstream package end after trouble, or stand still, without a word.
//
// Workers write to some of these streams, and choose the headers of what they
// write. The consumers of the jetstream package take an empty message
// with a Status header for a word of the server's: one such message of one worker
// would end them, or have them begin again and again. This one tells the server's
// words by the reply subject, which nobody else chooses.

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
	pending  uint64 // how many the consumer has yet to deliver
}

// follower hands the messages of a stream on, in order, each once, in batches of
// what has come. It gets over whatever happens to its consumer, to the server and
// to the connection: it notices by silence at the latest, and makes a consumer anew
// that begins behind the last message.
type follower struct {
	store  *Store
	stream string
	config jetstream.ConsumerConfig
	// each must return when the follower's context ends. An error of it ends the
	// follower.
	each func(ctx context.Context, batch []stored) error
	// opened is called with each new consumer, with how many messages it has to
	// deliver; optional. An error of it ends the follower, unless it is
	// ErrUnavailable: then there is another consumer after a pause.
	opened func(ctx context.Context, pending uint64) error
	// pulled is called after each pull that was not cut off; optional, as opened.
	pulled func(ctx context.Context) error
	// anew has each consumer begin as the first one did.
	anew bool

	reconnects chan nats.Status

	consumer string
	sub      *nats.Subscription
	messages chan *nats.Msg
	received uint64 // of this consumer
	last     uint64 // sequence of the last message handed on
}

// errCut means that the consumer has to be made anew.
var errCut = fmt.Errorf("there is no consumer any more: %w", ErrUnavailable)

// follow hands the messages that the config chooses to each, one at a time, until
// ctx ends, and then calls done once, and nothing after it; each must return when
// ctx ends. It returns once it follows. Where it returns an error it called
// neither.
func (s *Store) follow(ctx context.Context, stream string, config jetstream.ConsumerConfig, each func(stored), done func()) error {
	f := &follower{store: s, stream: stream, config: config, each: func(_ context.Context, batch []stored) error {
		for _, m := range batch {
			each(m)
		}
		return nil
	}}
	if err := f.begin(ctx); err != nil {
		return err
	}
	go func() {
		defer done()
		_ = f.run(ctx) // nothing fails but ctx
	}()
	return nil
}

// begin makes the first consumer. Where it returns no error, run has to be called.
func (f *follower) begin(ctx context.Context) error {
	f.config.AckPolicy, f.config.MaxDeliver = jetstream.AckNonePolicy, 1
	f.config.MemoryStorage, f.config.Replicas = true, 1
	f.config.InactiveThreshold = followKept
	f.reconnects = f.store.nc.StatusChanged(nats.CONNECTED)
	if err := f.open(ctx); err != nil {
		f.close()
		f.store.nc.RemoveStatusListener(f.reconnects)
		return classify("follow "+f.stream, err)
	}
	return nil
}

// run follows until ctx ends, or until one of the follower's functions fails, and
// returns that error.
func (f *follower) run(ctx context.Context) error {
	defer f.store.nc.RemoveStatusListener(f.reconnects)
	defer f.close()
	for {
		err := f.pull(ctx)
		if err == nil && f.pulled != nil {
			err = f.pulled(ctx)
		}
		for err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !errors.Is(err, ErrUnavailable) {
				return err
			}
			f.close()
			if !pause(ctx, followPause) {
				return ctx.Err()
			}
			err = f.open(ctx)
		}
	}
}

// open makes a consumer. Whatever keeps it from that is ErrUnavailable.
func (f *follower) open(ctx context.Context) error {
	config := f.config
	if f.last > 0 && !f.anew {
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, f.last+1
	}
	asking, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	consumer, err := f.store.js.CreateConsumer(asking, f.stream, config)
	if err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	f.messages = make(chan *nats.Msg, 2*followBatch) // one pull and the server's words
	if f.sub, err = f.store.nc.ChanSubscribe(nats.NewInbox(), f.messages); err != nil {
		return fmt.Errorf("%w: %w", errCut, err)
	}
	info := consumer.CachedInfo()
	f.consumer, f.received = info.Name, 0
	if f.opened == nil {
		return nil
	}
	return f.opened(ctx, info.NumPending)
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

// pull asks for messages once and hands them on. It returns nil where the pull has
// ended as it should.
func (f *follower) pull(ctx context.Context) error {
	ask, err := json.Marshal(map[string]int64{
		"batch": followBatch, "expires": int64(pullExpiry), "idle_heartbeat": int64(followHeartbeat),
	})
	if err != nil {
		return err
	}
	if f.store.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+f.stream+"."+f.consumer, f.sub.Subject, ask) != nil {
		return errCut
	}
	quiet := f.store.silence
	silence := time.NewTimer(quiet)
	defer silence.Stop()
	for left := followBatch; left > 0; {
		var m *nats.Msg
		select {
		case m = <-f.messages:
		case <-silence.C:
			return errCut
		case <-f.reconnects: // what was asked for before may be lost
			return errCut
		case <-ctx.Done():
			return ctx.Err()
		}
		silence.Reset(quiet)
		batch, ended, err := f.read(m)
		if len(batch) > 0 {
			if err := f.each(ctx, batch); err != nil {
				return err
			}
			left -= len(batch)
			silence.Reset(quiet) // the server was not listened to meanwhile
		}
		if err != nil || ended {
			return err
		}
	}
	return nil
}

// read takes a message and those that have come after it. ended tells that the
// server has ended the pull; the error is errCut where something is missing.
func (f *follower) read(m *nats.Msg) (batch []stored, ended bool, err error) {
	for {
		if message, ok := parseDelivery(m); ok {
			if message.delivery != f.received+1 {
				return batch, false, errCut
			}
			f.received, f.last = message.delivery, message.sequence
			batch = append(batch, message)
		} else {
			switch m.Header.Get("Status") {
			case "100": // a heartbeat
			case "404", "408":
				return batch, true, nil
			default:
				return batch, false, errCut
			}
		}
		select {
		case m = <-f.messages:
		default:
			return batch, false, nil
		}
	}
}

// parseDelivery reads a consumer's message; false for what is a word of the
// server's.
func parseDelivery(m *nats.Msg) (stored, bool) {
	// $JS.ACK.[domain.account.]stream.consumer.deliveries.sequence.delivery.time.pending[.token]
	tokens := strings.Split(m.Reply, ".")
	if len(tokens) < 9 || len(tokens) == 10 || tokens[0] != "$JS" || tokens[1] != "ACK" {
		return stored{}, false
	}
	at := 5
	if len(tokens) > 9 { // domain and account come together
		at = 7
	}
	var numbers [4]int64
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseInt(tokens[at+i], 10, 64); err != nil {
			return stored{}, false
		}
	}
	return stored{
		Subject: m.Subject, Data: m.Data, Time: time.Unix(0, numbers[2]).UTC(),
		sequence: uint64(numbers[0]), delivery: uint64(numbers[1]), pending: uint64(numbers[3]),
	}, true
}
