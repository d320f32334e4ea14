package streams

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
)

const (
	// pullBatch is more than any function's quota: what a consumer may deliver
	// is limited by its MaxAckPending alone.
	pullBatch = multinode.MaxConcurrency
	// pullExpiry is how long the server keeps an unanswered pull.
	pullExpiry = 30 * time.Second
	// pullCheck is how often expired pulls are looked for, and how long a failed
	// one waits.
	pullCheck = time.Second
	// pullSlack is how long after its expiry a pull is given up, where the server
	// did not say that it ended.
	pullSlack = 5 * time.Second
)

// Intake pulls the requests of all functions through one subscription: a
// consumer costs no goroutine of its own.
type Intake struct {
	store   *Store
	deliver func(*Delivery)
	inbox   string

	mu       sync.Mutex
	pulls    map[string]*pull // by stream
	byNumber map[int]*pull
	next     int
	// lost are functions whose consumer did not answer.
	lost []multinode.Function
}

// pull is what is known of the outstanding pull on one function's consumer.
type pull struct {
	function multinode.Function
	stream   string
	// number is another one each time that the server is asked: the end of a pull
	// that was given up is not the end of the one that follows it.
	number    int
	remaining int
	expires   time.Time
}

// NewIntake makes an intake that hands each delivered request to deliver, which
// must not block.
func (s *Store) NewIntake(deliver func(*Delivery)) *Intake {
	return &Intake{store: s, deliver: deliver, inbox: nats.NewInbox(), pulls: map[string]*pull{}, byNumber: map[int]*pull{}}
}

// Run pulls until ctx ends. It returns when nothing is delivered here any more:
// what is given back from then on goes to others at once.
func (i *Intake) Run(ctx context.Context) error {
	sub, err := i.store.nc.Subscribe(i.inbox+".*", i.receive)
	if err != nil {
		return classify("pull requests", err)
	}
	defer drain(sub)
	if err := sub.SetPendingLimits(-1, -1); err != nil { // bounded by the quotas
		return err
	}
	elected, err := i.followElections()
	if err != nil {
		return classify("follow elections", err)
	}
	defer func() { _ = elected.Unsubscribe() }()
	changes, stop := i.store.RegistryChanges()
	defer stop()
	reconnects := i.store.nc.StatusChanged(nats.CONNECTED)
	defer i.store.nc.RemoveStatusListener(reconnects)
	check := time.NewTicker(pullCheck)
	defer check.Stop()
	// Whatever consumers are there are served meanwhile.
	restored := i.restore(ctx, i.store.Functions(ctx))
	i.sync(ctx)
	i.refill()
	for {
		select {
		case <-changes:
			i.sync(ctx)
		case <-reconnects:
			i.forget()
		case <-check.C:
			if !restored {
				restored = i.restore(ctx, i.store.Functions(ctx))
			} else {
				restored = i.restore(ctx, i.takeLost())
			}
		case <-ctx.Done():
			return nil
		}
		i.refill()
	}
}

// takeLost returns the functions whose consumer did not answer since the last time.
func (i *Intake) takeLost() []multinode.Function {
	i.mu.Lock()
	defer i.mu.Unlock()
	lost := i.lost
	i.lost = nil
	return lost
}

// restore tells whether none of the functions' consumers is missing any more.
func (i *Intake) restore(ctx context.Context, functions []multinode.Function) bool {
	err := i.store.restoreConsumers(ctx, functions)
	if err != nil && ctx.Err() == nil {
		i.store.log.Warn("not all functions' consumers could be looked at yet", "error", err)
	}
	return err == nil
}

// drainPatience bounds how long the end of a subscription is waited for.
const drainPatience = 2 * time.Second

// drain ends a subscription and waits until the messages that had come for it
// are handled.
func drain(sub *nats.Subscription) {
	closed := sub.StatusChanged(nats.SubscriptionClosed)
	if err := sub.Drain(); err != nil {
		return // the connection was closed, and the subscription with it
	}
	patience := time.NewTimer(drainPatience)
	defer patience.Stop()
	select {
	case <-closed:
	case <-patience.C:
	}
}

// sync takes up the functions that came and drops those that went.
func (i *Intake) sync(ctx context.Context) {
	functions := i.store.Functions(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	current := make(map[string]bool, len(functions))
	for _, f := range functions {
		stream := requestStream(f.Project, f.Generation, f.Name)
		current[stream] = true
		if i.pulls[stream] == nil {
			i.pulls[stream] = &pull{function: f, stream: stream}
		}
	}
	for stream, p := range i.pulls {
		if !current[stream] {
			delete(i.pulls, stream)
			delete(i.byNumber, p.number)
		}
	}
}

// forget drops all outstanding pulls: the server that had them may be gone.
func (i *Intake) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, p := range i.pulls {
		p.remaining = 0
	}
}

func (i *Intake) refill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	for _, p := range i.pulls {
		if p.remaining == 0 || now.After(p.expires.Add(pullSlack)) {
			i.request(p, now)
		}
	}
}

func (i *Intake) request(p *pull, now time.Time) {
	i.next++
	delete(i.byNumber, p.number)
	p.number, i.byNumber[i.next] = i.next, p
	body, err := json.Marshal(map[string]int64{"batch": pullBatch, "expires": int64(pullExpiry)})
	if err == nil {
		err = i.store.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+p.stream+"."+consumerName,
			i.inbox+"."+strconv.Itoa(p.number), body)
	}
	if err != nil {
		return // the next check tries again
	}
	p.remaining, p.expires = pullBatch, now.Add(pullExpiry)
}

// receive gets requests, and what the server says of pulls: a message on the
// inbox itself.
func (i *Intake) receive(m *nats.Msg) {
	if number, ok := strings.CutPrefix(m.Subject, i.inbox+"."); ok {
		i.ended(number, m.Header.Get("Status"))
		return
	}
	received := time.Now()
	meta, err := m.Metadata()
	if err != nil {
		return
	}
	i.mu.Lock()
	p := i.pulls[meta.Stream]
	if p != nil {
		if p.remaining--; p.remaining <= 0 {
			i.request(p, received)
		}
	}
	i.mu.Unlock()
	if p == nil {
		return // the function went away meanwhile
	}
	request := requestOf(p.function, m.Subject, m.Header, m.Data, meta.Sequence.Stream, meta.Timestamp)
	i.deliver(&Delivery{Request: request, Received: received, Again: meta.NumDelivered > 1, message: m})
}

// ended notes that the server ended a pull. A time-out is the usual end and is
// renewed at once; after anything else the next check does it.
func (i *Intake) ended(number, status string) {
	n, err := strconv.Atoi(number)
	if err != nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	p := i.byNumber[n]
	if p == nil || status == "100" { // an idle heartbeat
		return
	}
	p.remaining = 0
	switch status {
	case "408":
		i.request(p, time.Now())
	case "503", "409": // nobody is there to answer, or the consumer was deleted
		i.lost = append(i.lost, p.function)
	}
}

// Delivery is a request that was delivered to this process: while it is neither
// acked nor expired it is one of the function's slots.
type Delivery struct {
	Request
	// Received is when it came, by the monotonic clock of this process.
	Received time.Time
	// Again tells that the server delivered it before. Such a delivery may come
	// beside as many others as the function's quota once allowed.
	Again   bool
	message *nats.Msg
}

// Extend renews the lease for multinode.AckWait from now. That it returns no
// error does not say that the lease was still held.
func (d *Delivery) Extend() error { return d.message.Respond([]byte("+WPI")) }

// Ack ends the request for good and waits for the server to confirm it.
func (d *Delivery) Ack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	return classify("acknowledge the request", d.message.AckSync(nats.Context(ctx)))
}

// Nak gives the request back, to be delivered again after the delay. It keeps
// its slot until then.
func (d *Delivery) Nak(delay time.Duration) error { return d.message.NakWithDelay(delay) }
