package dispatcher

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
)

func (l *lease) beats(elapsed time.Duration) {
	l.d.Beat(l.executionKey(), multinode.Beat{Phase: multinode.PhaseRunning, Elapsed: elapsed})
}

func TestASilentWorkerIsLostAfterItsTime(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	l := b.begun(b.dispatcher(c))
	b.running(l, "w")
	if done, err := b.pass(l, multinode.LostAfter, nil); done || err != nil {
		t.Fatalf("it was ended too soon: %v", err)
	}
	if done, err := b.pass(l, multinode.RenewInterval, nil); !done || err != nil {
		t.Fatalf("it was not ended: %v", err)
	}
	if o := b.outcome(l); o.Kind != multinode.OutcomeLost {
		t.Errorf("%+v", o)
	}
	if r := b.record(k); r.Status != multinode.Pending || r.FailedAttempts() != 1 || len(c.stops()) != 1 {
		t.Errorf("%+v, stopped %v", r, c.stops())
	}
}

func TestAWorkerThatBeatsIsNotLost(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	if done, err := b.pass(l, 4*multinode.LostAfter, func() { l.beats(0) }); done || err != nil {
		t.Errorf("it was ended: %v", err)
	}
	if r := b.record(k); r.Status != multinode.Running {
		t.Errorf("%+v", r)
	}
}

func TestSilenceCountsOnlyWhileListening(t *testing.T) {
	b := newBench(t)
	b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	_, err := b.pass(l, multinode.LostAfter-multinode.RenewInterval, nil)
	must(t, err)
	// The loop is held up for a little less than the lease lasts.
	b.clock.Advance(multinode.AckWait - time.Second)
	if done, err := l.tend(t.Context(), b.clock.Now()); done || err != nil {
		t.Fatalf("the gap was taken for silence: %v", err)
	}
	if done, err := b.pass(l, multinode.LostAfter, nil); done || err != nil {
		t.Fatalf("the clock did not start anew: %v", err)
	}
	if done, _ := b.pass(l, multinode.RenewInterval, nil); !done {
		t.Error("it is not lost any more")
	}
}

func TestAWokenDispatcherDropsItsLeasesWithoutAWord(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	l := b.begun(b.dispatcher(c))
	b.running(l, "w")
	before := b.record(k)
	b.clock.Advance(24 * time.Hour)
	if _, err := l.tend(t.Context(), b.clock.Now()); !errors.Is(err, errDropped) {
		t.Errorf("it went on: %v", err)
	}
	if after := b.record(k); after.UpdatedAt != before.UpdatedAt || len(c.stops()) != 0 {
		t.Errorf("it wrote %+v and stopped %v", after, c.stops())
	}
	if err := l.delivery.Ack(t.Context()); err != nil {
		t.Errorf("it has answered the request: %v", err)
	}
}

func TestALaunchThatNeverAnnouncesItselfUsesUpNoTry(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	d := b.dispatcher(c)
	l := b.begun(d)
	first := l.execution
	if _, err := b.pass(l, multinode.StartDeadline, nil); err != nil {
		t.Fatalf("it was ended too soon: %v", err)
	}
	if _, err := b.pass(l, multinode.RenewInterval, nil); !errors.Is(err, errDropped) {
		t.Fatalf("the request was not put back: %v", err)
	}
	r := b.record(k)
	if r.Status != multinode.Pending || len(r.Executions) != 0 || r.Waiting == nil || !strings.Contains(r.Waiting.Reason, "did not announce itself") {
		t.Errorf("%+v, %+v", r, r.Waiting)
	}
	if s := c.stops(); len(s) != 1 || s[0].execution != first {
		t.Errorf("stopped %v", s)
	}
	// Should it come up all the same, it is told to leave.
	d.forget(l)
	if a, answered := d.Hello(t.Context(), k.Execution(first), "late"); a != nil || !answered {
		t.Errorf("a late worker was answered %v, %v", a, answered)
	}
	again := b.begun(d)
	b.running(again, "w")
	if r = b.record(k); r.Status != multinode.Running || r.FailedAttempts() != 0 || r.Waiting != nil || again.execution == first {
		t.Errorf("%+v", r)
	}
}

func TestInterruptedCodeIsKilledAfterItsGrace(t *testing.T) {
	for name, why := range map[string]multinode.Desired{"cancel": multinode.Cancel, "time-out": multinode.TimeOut} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			k := b.accept()
			c := newCompute("here")
			l := b.begun(b.dispatcher(c))
			b.running(l, "w")
			want := multinode.TimedOut
			if why == multinode.Cancel {
				want = multinode.Cancelled
				_, _, err := b.store.RequestCancel(t.Context(), k)
				must(t, err)
			} else {
				l.beats(time.Hour + clockMargin + 1)
			}
			beats := func() { l.beats(0) }
			if done, err := b.pass(l, multinode.RenewInterval, nil); done || err != nil || l.desired.Load() != why {
				t.Fatalf("it was not interrupted: %v, %v", l.desired.Load(), err)
			}
			if done, err := b.pass(l, multinode.Grace+clockMargin, beats); done || err != nil || len(c.stops()) != 0 {
				t.Fatalf("its grace was cut short: %v", err)
			}
			if done, err := b.pass(l, multinode.RenewInterval, beats); !done || err != nil {
				t.Fatalf("it was not killed: %v", err)
			}
			if r := b.record(k); r.Status != want || len(c.stops()) != 1 {
				t.Errorf("%s, stopped %v", r.Status, c.stops())
			}
		})
	}
}

// The worker says that its code has not run for long, whatever the time is.
func TestTheBackstopEndsWhatItsRunnerDoesNotTimeOut(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.Timeout = 24 * time.Hour })
	k := b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	// It was let in nearly a day ago.
	l.runsSince = l.runsSince.Add(-24 * time.Hour)
	beats := func() { l.beats(time.Second) }
	if done, err := b.pass(l, multinode.StartDeadline, beats); done || err != nil || !l.interruptedAt.IsZero() {
		t.Fatalf("it was interrupted too soon: %v", err)
	}
	if done, err := b.pass(l, multinode.RenewInterval, beats); done || err != nil || l.desired.Load() != multinode.TimeOut {
		t.Fatalf("it was not interrupted: %v, %v", l.desired.Load(), err)
	}
	if done, err := b.pass(l, multinode.Grace+clockMargin+multinode.RenewInterval, beats); !done || err != nil {
		t.Fatalf("it was not ended: %v", err)
	}
	if r := b.record(k); r.Status != multinode.TimedOut {
		t.Errorf("%s", r.Status)
	}
}

func TestATimeoutOfADayIsKept(t *testing.T) {
	b := newBench(t, func(f *multinode.FunctionSpec) { f.Timeout = 24 * time.Hour })
	b.accept()
	l := b.begun(b.dispatcher(newCompute("here")))
	b.running(l, "w")
	// It was let in nearly a day ago.
	began := b.clock.Now().Add(-24*time.Hour + 10*time.Minute)
	l.runsSince = began
	done, err := b.pass(l, 10*time.Minute, func() { l.beats(b.clock.Since(began)) })
	if done || err != nil || !l.interruptedAt.IsZero() {
		t.Fatalf("it was ended after %v: %v", b.clock.Since(began), err)
	}
	_, err = b.pass(l, clockMargin+2*multinode.RenewInterval, func() { l.beats(b.clock.Since(began)) })
	if must(t, err); l.desired.Load() != multinode.TimeOut {
		t.Error("it was not interrupted")
	}
}

func TestALongLaunchKeepsItsLease(t *testing.T) {
	b := newBench(t)
	b.accept()
	c := newCompute("here")
	launching, launched := make(chan struct{}), make(chan struct{})
	c.launch = func(context.Context) error { close(launching); <-launched; return nil }
	d := b.dispatcher(c)
	l := newLease(d, b.delivery())
	done := make(chan error)
	go func() { done <- l.whileRenewed(t.Context(), l.begin, l.look) }()
	<-launching
	must(t, b.clock.BlockUntilContext(t.Context(), 1))
	for range 6 {
		b.clock.Advance(multinode.RenewInterval)
		<-b.renewals
	}
	close(launched)
	must(t, <-done)
	if gap := b.clock.Since(l.renewed); gap > multinode.RenewInterval {
		t.Errorf("it was not renewed for %v", gap)
	}
}

func TestALaunchIsGivenUpWhereTheLeaseHasRunOut(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	launching := make(chan struct{})
	c.launch = func(ctx context.Context) error { close(launching); <-ctx.Done(); return ctx.Err() }
	l := newLease(b.dispatcher(c), b.delivery())
	done := make(chan error)
	go func() { done <- l.whileRenewed(t.Context(), l.begin, l.look) }()
	<-launching
	must(t, b.clock.BlockUntilContext(t.Context(), 1))
	b.clock.Advance(multinode.AckWait + time.Second)
	if err := <-done; !errors.Is(err, errDropped) {
		t.Errorf("it ended with %v", err)
	}
	if live, ok := b.record(k).Live(); !ok || live.ID != l.execution {
		t.Error("it took the intent back, which is another's by now")
	}
}

func TestAnEnvironmentThatCannotBeMadeAgainEndsTheInvocationInTheEnd(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	b.build.failure = &build.Failure{Detail: "no such package " + strings.Repeat("x", 5000)}
	d := b.dispatcher(newCompute("here"))
	putOff := func() *lease {
		t.Helper()
		l := newLease(d, b.delivery())
		if err := l.begin(t.Context()); !errors.Is(err, errDropped) {
			t.Fatalf("it went on: %v", err)
		}
		return l
	}
	putOff()
	first := b.record(k).Waiting
	if first == nil || !strings.Contains(first.Reason, "no such package") || len(first.Reason) > 2*maxReason {
		t.Fatalf("the reason is %+v", first)
	}
	b.clock.Advance(time.Minute)
	putOff()
	second := b.record(k).Waiting
	if !second.Since.Equal(first.Since) || second.Until.Sub(b.clock.Now()) < 10*time.Second {
		t.Errorf("after a minute it waits as %+v", second)
	}
	b.clock.Advance(rebuildPatience)
	l := putOff()
	if r := b.record(k); r.Status != multinode.Failed || r.Executions[0].Outcome != multinode.OutcomeLaunchFailed {
		t.Errorf("%+v", r)
	}
	if o := b.outcome(l); !strings.Contains(o.Error, "no such package") {
		t.Errorf("%+v", o)
	}
}

func TestWantOfCapacityUsesUpNoTryAndIsToldEachTime(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	c.launch = func(context.Context) error {
		return &provision.Error{Kind: provision.NoCapacity, Err: errors.New("all 3 places are taken")}
	}
	d := b.dispatcher(c)
	for range 5 {
		l := newLease(d, b.delivery())
		if err := l.begin(t.Context()); !errors.Is(err, errDropped) {
			t.Fatalf("it went on: %v", err)
		}
		if r := b.record(k); r.Status != multinode.Pending || len(r.Executions) != 0 || r.Waiting.Reason != "no capacity: all 3 places are taken" {
			t.Fatalf("%+v, %+v", r, r.Waiting)
		}
		b.clock.Advance(time.Hour)
	}
}

func TestACancelCutsALaunchShort(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	d := b.dispatcher(c)
	launching := make(chan struct{})
	c.launch = func(ctx context.Context) error { close(launching); <-ctx.Done(); return ctx.Err() }
	d.take(t.Context(), b.delivery())
	<-launching
	_, _, err := b.store.RequestCancel(t.Context(), k)
	must(t, err)
	d.cancelHinted(k, false)
	d.running.Wait()
	d.take(t.Context(), b.delivery()) // it has been put back
	d.running.Wait()
	if r := b.record(k); r.Status != multinode.Cancelled || r.Executions[0].StartedAt != nil {
		t.Errorf("%+v", r)
	}
}

// A dispatcher is suspended when it has just found that a worker is silent.
func TestAVerdictIsNotPutByWhoWokeUpPastItsLease(t *testing.T) {
	b := newBench(t)
	k := b.accept()
	c := newCompute("here")
	l := b.begun(b.dispatcher(c))
	b.running(l, "w")
	b.clock.Advance(multinode.AckWait + time.Second)
	if err := l.kill(t.Context(), multinode.OutcomeLost, "silence"); !errors.Is(err, errDropped) {
		t.Errorf("it went on: %v", err)
	}
	if r := b.record(k); r.Status != multinode.Running || len(c.stops()) != 0 {
		t.Errorf("%s, stopped %v", r.Status, c.stops())
	}
}
