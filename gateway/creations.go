package gateway

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"multinode"
	"multinode/internal/failpoint"
	"multinode/streams"
	"multinode/streams/index"
)

// linger is how long a record is left to whoever delivers the request: where a
// slot is free that one writes the record anyway, with the execution in it, and
// a write of ours would be one too many.
const linger = 50 * time.Millisecond

// maxLinger is how long a record may wait while requests keep coming. Each record
// is a synced write, as each acceptance is, and on one disk they hold each other
// up: acceptances, which clients wait for, go first. A burst is accepted at the
// speed of one write a request, and its records follow when it is over.
const maxLinger = 5 * time.Second

// creations makes the records of accepted requests in the background: the
// acceptance alone is what a client waits for. A record that is not made here is
// made by whoever asks for it first. What is remembered are those to be made, so
// that a list can have them made at once.
type creations struct {
	store   *streams.Store
	index   *index.Index
	log     *slog.Logger
	timeout time.Duration
	queue   chan *creation
	workers sync.WaitGroup
	// hurry is closed when there is no more time to linger, and running ends when
	// there is no more time at all.
	hurry   chan struct{}
	running context.Context
	stop    context.CancelFunc

	// accepted is when the newest request came, in Unix nanoseconds.
	accepted atomic.Int64
	// left counts the records that there was no time for at the end.
	left atomic.Int64

	mu      sync.Mutex
	closed  bool
	pending map[functionKey]map[*creation]struct{}
	// written is the newest revision that this gateway wrote.
	written uint64
}

// functionKey names a function of a project's generation.
type functionKey struct{ project, generation, function string }

func functionKeyOf(k multinode.InvocationKey) functionKey {
	return functionKey{k.Project, k.Generation, k.Function}
}

type creation struct {
	request streams.Request
	added   time.Time
	once    sync.Once
}

func newCreations(o Options) *creations {
	c := &creations{
		store: o.Store, index: o.Index, log: o.Logger, timeout: o.RequestTimeout,
		queue: make(chan *creation, o.CreationBacklog), hurry: make(chan struct{}),
		pending: map[functionKey]map[*creation]struct{}{},
	}
	c.running, c.stop = context.WithCancel(context.Background())
	for range o.Creators {
		c.workers.Go(c.work)
	}
	return c
}

func (c *creations) work() {
	for each := range c.queue {
		for pause := c.pause(each); pause > 0; pause = c.pause(each) {
			due := time.NewTimer(pause)
			select {
			case <-due.C:
			case <-c.hurry:
			}
			due.Stop()
		}
		c.create(each)
	}
}

// pause is how long to wait before looking again whether the record is due: it
// lingers, and lets acceptances go first.
func (c *creations) pause(each *creation) time.Duration {
	select {
	case <-c.hurry:
		return 0
	default:
	}
	quiet := time.Until(time.Unix(0, c.accepted.Load()).Add(linger))
	return min(quiet, time.Until(each.added.Add(maxLinger)))
}

// add has the record of an accepted request made. While the backlog is full it
// does so itself: clients are not to run ahead of the disk without end.
func (c *creations) add(r streams.Request) {
	each := &creation{request: r, added: time.Now()}
	c.accepted.Store(each.added.UnixNano())
	if !c.enqueue(each) {
		c.create(each)
	}
}

func (c *creations) enqueue(each *creation) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := functionKeyOf(each.request.Key)
	if c.pending[key] == nil {
		c.pending[key] = map[*creation]struct{}{}
	}
	c.pending[key][each] = struct{}{}
	if c.closed {
		return false
	}
	select {
	case c.queue <- each:
		return true
	default:
		return false
	}
}

// create makes a record, once. A second caller waits for the first.
func (c *creations) create(each *creation) {
	each.once.Do(func() {
		revision := c.ensure(each.request)
		key := functionKeyOf(each.request.Key)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.written = max(c.written, revision)
		delete(c.pending[key], each)
		if len(c.pending[key]) == 0 {
			delete(c.pending, key)
		}
	})
}

func (c *creations) ensure(r streams.Request) uint64 {
	if _, known, err := c.index.Get(r.Key); known && err == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(c.running, c.timeout)
	defer cancel()
	_, revision, err := c.store.EnsureRecord(ctx, r)
	failpoint.Hit("gateway.recorded")
	switch {
	case err == nil:
	case c.running.Err() != nil:
		c.left.Add(1)
	default:
		c.log.Warn("the record of an accepted request will be made later",
			"invocation_id", r.Key.ID, "project", r.Key.Project, "function", r.Key.Function, "error", err)
	}
	return revision
}

// wrote notes another write, for lists to wait for.
func (c *creations) wrote(revision uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written = max(c.written, revision)
}

// settle makes the function's records that are still to be made, until ctx ends,
// and returns the newest revision written here.
func (c *creations) settle(ctx context.Context, key functionKey) uint64 {
	c.mu.Lock()
	due := slices.Collect(maps.Keys(c.pending[key]))
	c.mu.Unlock()
	return c.make(ctx, due)
}

// settleChildren does the same for what an invocation has started, of any function.
func (c *creations) settleChildren(ctx context.Context, parent multinode.InvocationKey) uint64 {
	var due []*creation
	c.mu.Lock()
	for function, pending := range c.pending {
		if function.project != parent.Project || function.generation != parent.Generation {
			continue
		}
		for each := range pending {
			if l := each.request.Lineage; len(l) > 0 && l[len(l)-1] == (multinode.Ancestor{Function: parent.Function, ID: parent.ID}) {
				due = append(due, each)
			}
		}
	}
	c.mu.Unlock()
	return c.make(ctx, due)
}

// make makes these records, and returns the newest revision written here.
func (c *creations) make(ctx context.Context, due []*creation) uint64 {
	var makers errgroup.Group
	makers.SetLimit(parallelReads)
	for _, each := range due {
		if ctx.Err() != nil {
			break
		}
		makers.Go(func() error {
			c.create(each)
			return nil
		})
	}
	_ = makers.Wait() // none returns an error
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

// waiting counts the function's records that are still to be made here.
func (c *creations) waiting(k multinode.InvocationKey) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending[functionKeyOf(k)])
}

// aheadLooks bounds how often the index is asked to count what is ahead.
const aheadLooks = 100

// ahead counts the requests before this invocation whose records are still to
// be made here, and which the index does not know from others.
func (c *creations) ahead(record multinode.Invocation) int {
	var before []multinode.InvocationKey
	c.mu.Lock()
	for each := range c.pending[functionKeyOf(record.Key)] {
		if each.request.Sequence < record.Sequence {
			before = append(before, each.request.Key)
		}
	}
	c.mu.Unlock()
	n := len(before)
	for _, k := range before[:min(n, aheadLooks)] {
		if _, known, err := c.index.Get(k); known && err == nil {
			n--
		}
	}
	return n
}

// close makes what is in the backlog, for at most the timeout.
func (c *creations) close(timeout time.Duration) {
	c.mu.Lock()
	c.closed = true
	close(c.queue)
	c.mu.Unlock()
	close(c.hurry)
	timer := time.AfterFunc(timeout, c.stop)
	defer timer.Stop()
	c.workers.Wait()
	c.stop()
	if left := c.left.Load(); left > 0 {
		c.log.Info("records of accepted requests are left to the dispatchers", "records", left)
	}
}
