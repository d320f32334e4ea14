package dispatcher

import (
	"context"
	"errors"
	"strings"
	"testing"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

// answers has the dispatcher answer for its place until the test or the returned
// function ends it.
func (b *bench) answers(d *Dispatcher) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- d.servePlace(ctx) }()
	for { // until it listens
		if _, err := b.store.AskPlace(ctx, d.Provisioner.Place(), "exe-unknown"); err == nil {
			break
		}
	}
	return func() {
		cancel()
		must(b.t, <-done)
	}
}

func TestAnotherPlaceIsAskedForItsWorkers(t *testing.T) {
	for name, c := range map[string]struct {
		running, alive, held, cancelled bool
		status                          multinode.Status
		launches, tries                 int
	}{
		"a worker that runs":                      {running: true, alive: true, status: multinode.Running},
		"a worker that is starting":               {alive: true, status: multinode.Pending},
		"an intent that is being launched":        {held: true, status: multinode.Pending},
		"an intent of which nothing is left":      {launches: 1, status: multinode.Pending},
		"a cancelled one":                         {cancelled: true, status: multinode.Cancelled},
		"a worker that ended while nobody looked": {running: true, tries: 1, status: multinode.Pending},
	} {
		for when, atOnce := range map[string]bool{"at its adoption": true, "later": false} {
			t.Run(name+", "+when, func(t *testing.T) {
				b := newBench(t)
				k := b.accept()
				there, here := newCompute("there"), newCompute("here")
				first := b.begun(b.dispatcher(there))
				if c.running {
					b.running(first, "w")
				}
				if !c.alive {
					delete(there.alive, first.execution)
				}
				crash(t, first)
				back := b.dispatcher(there)
				if c.held {
					back.own(first.execution, first)
				}
				if atOnce {
					defer b.answers(back)()
				}
				if c.cancelled {
					_, _, err := b.store.RequestCancel(t.Context(), k)
					must(t, err)
				}
				d := b.dispatcher(here)
				second := newLease(d, b.delivery())
				err := second.begin(t.Context())
				if knows := c.alive || c.held || c.cancelled; atOnce && !knows && err == nil && second.gone == nil {
					t.Error("its place was not asked at the adoption")
				}
				if second.watching = b.clock.Now(); err == nil && !atOnce {
					defer b.answers(back)()
				}
				for range 2 {
					if err == nil {
						b.clock.Advance(multinode.RenewInterval)
						var done bool
						if done, err = second.tend(t.Context(), b.clock.Now()); done {
							break
						}
					}
				}
				if errors.Is(err, errDropped) { // taken back
					err = nil
					b.begun(d)
				}
				must(t, err)
				if r := b.record(k); r.Status != c.status || r.FailedAttempts() != c.tries || here.launches() != c.launches || len(r.Executions) != 1 {
					t.Errorf("launched %d times, %+v", here.launches(), r)
				}
			})
		}
	}
}

func TestAPlaceThatDoesNotAnswerIsLeftToSilence(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	first := b.begun(b.dispatcher(newCompute("there")))
	b.running(first, "w")
	crash(t, first)
	second := b.begun(b.dispatcher(newCompute("here")))
	if done, err := b.pass(second, multinode.LostAfter, nil); done || err != nil || b.record(k).Status != multinode.Running {
		t.Errorf("it was ended: %v", err)
	}
}

func TestTheEndOfAWorkerIsToldToWhoeverHasItsLease(t *testing.T) {
	b := newBench(t)
	b.accept()
	there := b.dispatcher(newCompute("there"))
	first := b.begun(there)
	b.running(first, "w")
	crash(t, first)
	d := b.dispatcher(newCompute("here"))
	second := b.begun(d)
	must(t, b.store.FollowExits(t.Context(), d.exitTold))
	must(t, b.nc.Flush())
	there.exited(provision.Exit{ExecutionID: first.execution, OutOfMemory: true, Detail: "killed"})
	exit := <-second.exited
	second.gone = &exit
	done, err := second.workerExited(t.Context())
	must(t, err)
	if o := b.outcome(second); !done || o.Kind != multinode.OutcomeOutOfMemory || !strings.Contains(o.Error, "killed") {
		t.Errorf("%+v", o)
	}
	d.exitTold(streams.WorkerExit{Execution: "exe-unknown"})
}

func TestADispatcherThatIsStoppedTakesBackWhatItHasNotLaunched(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	launching := make(chan struct{})
	c.launch = func(ctx context.Context) error { close(launching); <-ctx.Done(); return ctx.Err() }
	d := b.dispatcher(c)
	ctx, stop := context.WithCancel(t.Context())
	d.take(ctx, b.delivery())
	<-launching
	stop()
	d.running.Wait()
	if r := b.record(k); r.Status != multinode.Pending || len(r.Executions) != 0 || r.Waiting == nil {
		t.Errorf("%+v", r)
	}
	if again := b.begun(b.dispatcher(newCompute("elsewhere"))); len(b.record(k).Executions) != 1 || len(c.stops()) != 1 {
		t.Errorf("%v was not launched at the next place", again.key)
	}
}
