package dispatcher

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"
	"golang.org/x/sync/errgroup"

	"multinode"
	"multinode/streams"
)

const (
	// reconcileInterval is how often requests without a record are looked for, if
	// anything was stored.
	reconcileInterval = time.Second
	// reconcileAnyway is how often they are looked for even so: that nothing was
	// stored is told by a number of bytes.
	reconcileAnyway = 30 * time.Second
	// reconcileShare keeps that cheap where there are thousands of functions: a
	// look is followed by a pause of so many times what it took.
	reconcileShare = 20
	// recordPatience is how long the record of a request is left to whoever said
	// that it follows. A gateway under load lets it wait for five seconds.
	recordPatience = 8 * time.Second
	// recordWriters is how many records are made at the same time: enough not to
	// wait for each answer, few enough not to keep others from the disk.
	recordWriters = 4
	// maxFollowing bounds the requests whose record is left to others.
	maxFollowing = 20_000
)

// reconcileRecords makes the records of requests that have none: those that
// clients put on NATS themselves, and those of a gateway that was killed in
// between. Without one an invocation runs all the same, but no list shows it. It
// is harmless where several do so, and a waste: one of all dispatchers does it. But
// for the time that a killed one's claim may take to run out, a new one does, too.
func (d *Dispatcher) reconcileRecords(ctx context.Context) error {
	unclaimed, end := clockwork.WithTimeout(ctx, d.Clock, claimFor)
	err := d.keepReconciling(unclaimed)
	end()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := d.whileClaimed(ctx, "records", d.keepReconciling); err != nil && !errors.Is(err, errClaimLost) {
			return err
		}
	}
	return nil
}

func (d *Dispatcher) keepReconciling(ctx context.Context) error {
	r := newReconciler(d)
	for failing := false; ; {
		err := r.pass(ctx, d.Clock.Now())
		if err != nil && ctx.Err() == nil && !failing {
			d.log.Warn("some invocations may be missing from lists for a while", "error", err)
		}
		failing = err != nil
		pause := d.Clock.NewTimer(max(reconcileInterval, reconcileShare*r.took))
		select {
		case <-pause.Chan():
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// reconciler remembers what has been looked at. What it forgets, the next one
// finds again: no request without a record has been dealt with.
type reconciler struct {
	d *Dispatcher
	// seen is the newest request of each function that was looked at.
	seen map[functionName]uint64
	// stored is how much was stored at the last look, which was at lookedAt and
	// took so long. lookedAt is zero where the look did not come to its end.
	stored   uint64
	lookedAt time.Time
	took     time.Duration

	mu sync.Mutex
	// following are those whose record is left to others for now.
	following []following
}

type functionName struct{ project, generation, name string }

type following struct {
	request streams.Request
	until   time.Time
}

func newReconciler(d *Dispatcher) *reconciler {
	return &reconciler{d: d, seen: map[functionName]uint64{}}
}

// pass looks at what was stored since the last one.
func (r *reconciler) pass(ctx context.Context, now time.Time) error {
	if err := r.d.Index.Ready(ctx); err != nil {
		return err
	}
	var writers errgroup.Group
	writers.SetLimit(recordWriters)
	err := errors.Join(r.overdue(ctx, &writers, now), r.lookIfStored(ctx, &writers, now))
	return errors.Join(err, writers.Wait())
}

func (r *reconciler) lookIfStored(ctx context.Context, writers *errgroup.Group, now time.Time) error {
	stored, err := r.d.Store.Stored(ctx)
	if err != nil {
		return err
	}
	if r.took = 0; stored == r.stored && now.Sub(r.lookedAt) < reconcileAnyway {
		return nil
	}
	r.stored, r.lookedAt = stored, time.Time{}
	began := time.Now()
	backlogs, err := r.d.Store.Backlogs(ctx)
	r.took = time.Since(began)
	if err != nil {
		return err
	}
	var errs []error
	seen := make(map[functionName]uint64, len(backlogs)) // without functions that are gone
	for _, b := range backlogs {
		name := functionName{b.Function.Project, b.Function.Generation, b.Function.Name}
		var err error
		seen[name], err = r.lookAt(ctx, writers, b, r.seen[name], now)
		errs = append(errs, err)
	}
	r.seen = seen
	err = errors.Join(errs...)
	if err == nil {
		r.lookedAt = now
	} else if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}

// lookAt returns the sequence up to which it has looked; 0 means not at all.
func (r *reconciler) lookAt(ctx context.Context, writers *errgroup.Group, b streams.Backlog, after uint64, now time.Time) (uint64, error) {
	if after == 0 && b.Last > 0 {
		var err error
		if after, err = r.d.Store.Done(ctx, b.Function); err != nil {
			return 0, ignoreGone(err)
		}
	}
	if b.Last <= after {
		return after, nil
	}
	after, err := r.d.Store.EachRequest(ctx, b.Function, after, func(request streams.Request) error {
		return r.look(ctx, writers, request, now)
	})
	return after, ignoreGone(err)
}

// errEnough ends a look when more is left to others than is to be remembered.
// The rest is looked at later.
var errEnough = errors.New("too many records are still to be made by a gateway")

func (r *reconciler) look(ctx context.Context, writers *errgroup.Group, request streams.Request, now time.Time) error {
	if _, known, err := r.d.Index.Get(request.Key); err != nil || known {
		return err
	}
	if request.Follows {
		return r.leave(request, now.Add(recordPatience))
	}
	writers.Go(func() error { return r.record(ctx, request, now) })
	return nil
}

func (r *reconciler) leave(request streams.Request, until time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.following) >= maxFollowing {
		return errEnough
	}
	r.following = append(r.following, following{request, until})
	return nil
}

// overdue makes the records that did not follow.
func (r *reconciler) overdue(ctx context.Context, writers *errgroup.Group, now time.Time) error {
	r.mu.Lock()
	var due, later []following
	for _, f := range r.following {
		if f.until.After(now) {
			later = append(later, f)
		} else {
			due = append(due, f)
		}
	}
	r.following = later
	r.mu.Unlock()
	for i, f := range due {
		if _, known, err := r.d.Index.Get(f.request.Key); known {
			continue
		} else if err != nil {
			r.mu.Lock()
			r.following = append(r.following, due[i:]...)
			r.mu.Unlock()
			return err
		}
		writers.Go(func() error { return r.record(ctx, f.request, now) })
	}
	return nil
}

func (r *reconciler) record(ctx context.Context, request streams.Request, now time.Time) error {
	record, _, err := r.d.Store.EnsureRecord(ctx, request)
	if err = ignoreGone(err); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.following = append(r.following, following{request, now})
		return err
	}
	if record.Status == multinode.Pending {
		r.d.log.Debug("made the record of a request", "invocation_id", request.Key.ID, "function", request.Key.Function)
	}
	return nil
}
