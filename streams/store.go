package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// Options of a Store. The zero value is the single-server default.
type Options struct {
	// Replicas of every stream: 1 on one server, 3 on a cluster. 0 means 1.
	Replicas int
	// LogBytes and LogAge bound the log stream. 0 means 7 days, and 2 GiB or a fifth
	// of what the server may store, whichever is less.
	LogBytes int64
	LogAge   time.Duration
	// Room returns how many bytes the disk below NATS can still take, where that is
	// known: at 0 no request is accepted. Other programs fill disks, too, and a
	// stream that could not write to its disk once takes nothing more until NATS
	// is started anew. Optional.
	Room   func() (int64, error)
	Logger *slog.Logger
	// Clock gives the time that goes into records. nil means time.Now.
	Clock func() time.Time
}

func (o *Options) fill() {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.LogAge == 0 {
		o.LogAge = 7 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
}

// Store is everything that the system keeps on JetStream. Its methods may be
// called from many goroutines.
type Store struct {
	options Options
	nc      *nats.Conn
	js      jetstream.JetStream
	log     *slog.Logger
	now     func() time.Time

	records  jetstream.KeyValue
	registry *registry
	code     jetstream.ObjectStore

	recordsStream  jetstream.Stream
	yieldsStream   jetstream.Stream
	outcomesStream jetstream.Stream
	logsStream     jetstream.Stream
	codeStream     jetstream.Stream

	workerSecret []byte
	buildSecret  []byte
	yieldNotices noticeHub
	pressure     pressure
	silence      time.Duration // after which a follower makes its consumer anew
	stop         context.CancelFunc
}

// apiTimeout bounds one answer of NATS, where the caller's context does not.
const apiTimeout = 10 * time.Second

// Open makes what is missing of the streams and buckets, checks that the server
// takes messages of the size we need, and loads the registry. The connection
// stays the caller's, to be closed after the Store.
func Open(ctx context.Context, nc *nats.Conn, o Options) (*Store, error) {
	return open(ctx, nc, o, followSilence)
}

func open(ctx context.Context, nc *nats.Conn, o Options, silence time.Duration) (*Store, error) {
	o.fill()
	if nc.MaxPayload() < multinode.MaxPayload {
		return nil, fmt.Errorf("the NATS server takes messages of at most %d bytes: set its max_payload to %d",
			nc.MaxPayload(), multinode.MaxPayload)
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(apiTimeout))
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s := &Store{
		options: o, nc: nc, js: js, log: o.Logger, now: func() time.Time { return o.Clock().UTC() },
		silence: silence, stop: stop,
	}
	for _, step := range []func(context.Context) error{s.readPressure, s.openBuckets, s.openStreams, s.loadSecrets} {
		if err := step(ctx); err != nil {
			stop()
			return nil, explainServer(err)
		}
	}
	if err := s.followRegistry(ctx, running); err != nil {
		stop()
		return nil, classify("load the registry", err)
	}
	go s.watchPressure(running)
	s.yieldNotices.start = func() error { return s.tailYields(running) }
	return s, nil
}

// Close ends what the Store does in the background. It does not close the
// connection.
func (s *Store) Close() { s.stop() }

func (s *Store) openBuckets(ctx context.Context) error {
	config := jetstream.KeyValueConfig{Bucket: invocationsBucket, History: 1, Storage: jetstream.FileStorage, Replicas: s.options.Replicas}
	var err error
	if s.records, err = s.ensureBucket(ctx, config); err != nil {
		return err
	}
	config.Bucket = registryBucket
	if _, err = s.ensureBucket(ctx, config); err != nil {
		return err
	}
	// What is not in our copy may just have been made by another process.
	if err := s.readFromLeader(ctx, "KV_"+registryBucket); err != nil {
		return classify("open the registry", err)
	}
	kv, err := s.js.KeyValue(ctx, registryBucket)
	if err != nil {
		return classify("open the registry", err)
	}
	stream, err := s.js.Stream(ctx, "KV_"+registryBucket)
	if err != nil {
		return classify("open the registry", err)
	}
	if err := s.letMarkersExpire(ctx, stream); err != nil {
		return classify("open the registry", err)
	}
	s.registry = newRegistry(kv, stream, s.log)
	return classify("open the code store", s.openCode(ctx))
}

func (s *Store) ensureBucket(ctx context.Context, c jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	kv, err := s.js.KeyValue(ctx, c.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = s.js.CreateKeyValue(ctx, c)
	}
	return kv, classify("open the bucket "+c.Bucket, err)
}

// logBytes is what logs may take. JetStream sets it aside when the stream is made.
func (s *Store) logBytes() int64 {
	const most = 2 << 30
	switch limit := s.pressure.limit; {
	case s.options.LogBytes != 0:
		return s.options.LogBytes
	case limit > 0:
		return min(most, int64(logShare*float64(limit)))
	}
	return most
}

// MaxLogBatch is how large a batch of log lines may be once it is encoded, in bytes,
// and LogBatches how many are kept of one execution: of more than that the oldest go.
// Together they keep one worker, which may not be ours, from pushing the lines of
// others out, for which our own runner's bound would not be enough.
const (
	MaxLogBatch = 128 << 10
	LogBatches  = 4096
	// logPart is the part of all logs that may be one execution's.
	logPart = 4
	// fewestBatches are kept however little room there is.
	fewestBatches = 8
)

// logBatches is how many batches are kept of one execution where logs may take so
// many bytes.
func logBatches(logBytes int64) int64 {
	return max(fewestBatches, min(LogBatches, logBytes/logPart/MaxLogBatch))
}

// amend brings a stream that an early version made to what is wanted of it.
func (s *Store) amend(ctx context.Context, stream jetstream.Stream, wanted jetstream.StreamConfig) (jetstream.Stream, error) {
	config := stream.CachedInfo().Config
	if !config.AllowDirect && (wanted.Name != logsStream || config.MaxMsgSize > 0) {
		return stream, nil
	}
	config.AllowDirect = false
	if wanted.Name == logsStream {
		config.MaxMsgSize, config.MaxMsgsPerSubject = wanted.MaxMsgSize, wanted.MaxMsgsPerSubject
	}
	return s.js.UpdateStream(ctx, config)
}

// openStreams makes what workers write to. Their headers must not be able to do
// more than put one message: rollups are off, and duplicates are not tracked by
// message ID. AllowDirect is off: a direct answer mixes a message's own headers
// with the server's, and clients take an empty message with a Status header for a
// refusal.
func (s *Store) openStreams(ctx context.Context) error {
	bucket := func(name string) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, MaxMsgsPerSubject: 1,
			Storage: jetstream.FileStorage, Replicas: s.options.Replicas,
			MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1,
		}
	}
	yields := bucket(yieldsBucket)
	yields.Discard = jetstream.DiscardOld
	outcomes := bucket(outcomesBucket)
	outcomes.Discard, outcomes.DiscardNewPerSubject = jetstream.DiscardNew, true
	logs := jetstream.StreamConfig{
		Name: logsStream, Subjects: []string{logSubjects + ".>"}, Discard: jetstream.DiscardOld,
		MaxAge: s.options.LogAge, MaxBytes: s.logBytes(), MaxMsgs: -1, MaxConsumers: -1,
		MaxMsgSize: MaxLogBatch, MaxMsgsPerSubject: logBatches(s.logBytes()),
		Storage: jetstream.FileStorage, Replicas: s.options.Replicas,
	}
	if s.options.Replicas == 1 {
		// Log lines are worth less than an fsync each; replicated streams do not
		// have this mode.
		logs.PersistMode = jetstream.AsyncPersistMode
	}
	for _, each := range []struct {
		config jetstream.StreamConfig
		into   *jetstream.Stream
	}{{yields, &s.yieldsStream}, {outcomes, &s.outcomesStream}, {logs, &s.logsStream}} {
		stream, err := s.js.Stream(ctx, each.config.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			stream, err = s.js.CreateStream(ctx, each.config)
		} else if err == nil {
			stream, err = s.amend(ctx, stream, each.config)
		}
		if err != nil {
			return classify("open the stream "+each.config.Name, err)
		}
		*each.into = stream
	}
	var err error
	s.recordsStream, err = s.js.Stream(ctx, "KV_"+invocationsBucket)
	if err == nil {
		err = s.letMarkersExpire(ctx, s.recordsStream)
	}
	return classify("open the records", err)
}
