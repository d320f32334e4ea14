package fargate_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/fargate"
	"multinode/dispatcher/provision/fargate/fakeecs"
)

// ended returns the notice of a task with this fault.
func ended(t *testing.T, fault fakeecs.Fault, change func(*fargate.Options)) provision.Exit {
	t.Helper()
	s := serve(t, fakeecs.Options{})
	o := options(s)
	if change != nil {
		change(&o)
	}
	p := open(t, o)
	s.Inject("RunTask", fault)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	exit := <-p.Exits()
	if exit.ExecutionID != "exe-1" || exit.OutOfMemory || exit.Detail == "" {
		t.Errorf("%+v", exit)
	}
	return exit
}

func TestWhatNeverStartedIsToldApart(t *testing.T) {
	for name, test := range map[string]struct {
		fault fakeecs.Fault
		kind  provision.Kind
		says  string
	}{
		"no such image":         {fakeecs.NoSuchImage, provision.Permanent, "CannotPullContainerError"},
		"registry out of reach": {fakeecs.RegistryTimeout, provision.Transient, "i/o timeout"},
		"no log group":          {fakeecs.NoLogGroup, provision.Permanent, "ResourceInitializationError"},
		"no network interface":  {fakeecs.NoNetwork, provision.Transient, "network interface"},
		"no capacity after all": {fakeecs.LateNoCapacity, provision.NoCapacity, "Capacity is unavailable"},
		"Spot taken back":       {fakeecs.SpotNeverStarted, provision.NoCapacity, "Spot"},
	} {
		t.Run(name, func(t *testing.T) {
			exit := ended(t, test.fault, nil)
			if !exit.NotStarted || exit.Kind != test.kind || !strings.Contains(exit.Detail, test.says) {
				t.Errorf("%+v", exit)
			}
		})
	}
}

func TestSpotThatIsTakenBackIsALostWorker(t *testing.T) {
	if exit := ended(t, fakeecs.SpotInterrupted, nil); exit.NotStarted || !strings.Contains(exit.Detail, "Spot") {
		t.Errorf("%+v", exit)
	}
}

func TestATaskThatDoesNotStartIsGivenUp(t *testing.T) {
	for name, fault := range map[string]fakeecs.Fault{"ends when it is stopped": fakeecs.Stuck, "does not even end then": fakeecs.StuckForGood} {
		t.Run(name, func(t *testing.T) {
			exit := ended(t, fault, func(o *fargate.Options) { o.StartDeadline = time.Millisecond })
			if !exit.NotStarted || exit.Kind != provision.Transient || !strings.Contains(exit.Detail, "did not start in time") {
				t.Errorf("%+v", exit)
			}
		})
	}
}

func TestATaskThatHasNotStartedIsStoppedAtOnce(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	p := open(t, options(s))
	s.Inject("RunTask", fakeecs.StuckForGood)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	s.AwaitState(t.Context(), "exe-1", "PENDING")
	if err := p.Stop(t.Context(), "exe-1", multinode.Worker{}, time.Hour); err != nil {
		t.Error(err)
	}
}

func TestOutOfMemoryIsToldApart(t *testing.T) {
	s := serve(t, fakeecs.Options{Late: 35 * time.Second, Run: func(c fakeecs.Container) fakeecs.Running {
		stub := fakeecs.NewStub(c)
		stub.End(137, true)
		return stub
	}})
	o := options(s)
	o.QueueURL = s.URL + fakeecs.QueuePath
	o.Sweep = time.Hour // the event alone, and long before the task is STOPPED
	p := open(t, o)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	if exit := <-p.Exits(); !exit.OutOfMemory {
		t.Errorf("%+v", exit)
	}
}

// A connection that breaks in silence makes the provisioner deaf for a while only.
func TestACallThatIsNotAnsweredIsGivenUp(t *testing.T) {
	for operation, queue := range map[string]bool{"DescribeTasks": false, "ReceiveMessage": true} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			s := serve(t, fakeecs.Options{})
			o := options(s)
			o.CallTimeout = 100 * time.Millisecond
			if queue {
				o.QueueURL, o.Sweep, o.CallTimeout = s.URL+fakeecs.QueuePath, time.Hour, time.Second
			}
			s.Inject(operation, fakeecs.Silence, fakeecs.Silence)
			p := open(t, o)
			if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
				t.Fatal(err)
			}
			s.AwaitState(t.Context(), "exe-1", "RUNNING")
			s.Stop()
			if exit := <-p.Exits(); exit.ExecutionID != "exe-1" {
				t.Errorf("%+v", exit)
			}
		})
	}
}

// 250 tasks are looked at in batches that the service accepts, and each end is seen.
func TestManyTasksAreSweptInBatches(t *testing.T) {
	const n = 250
	s := serve(t, fakeecs.Options{})
	o := options(s)
	o.Sweep = time.Hour
	p := open(t, o)
	for i := range n {
		if _, err := p.Launch(t.Context(), intent(name(i))); err != nil {
			t.Fatal(err)
		}
	}
	_ = p.Close()
	described := s.Calls("DescribeTasks")
	o.Sweep = 10 * time.Millisecond
	p = open(t, o) // which finds them in pages
	if listed, err := p.List(t.Context()); err != nil || len(listed) != n {
		t.Fatalf("%d are listed: %v", len(listed), err)
	}
	if calls := s.Calls("DescribeTasks") - described; calls < 3 {
		t.Errorf("described in %d calls", calls)
	}
	s.Stop()
	seen := map[string]bool{}
	for len(seen) < n {
		seen[(<-p.Exits()).ExecutionID] = true
	}
}

func TestAWorkerIsLookedForBeforeItIsCalledGone(t *testing.T) {
	clock := newClock()
	s := serve(t, fakeecs.Options{Clock: clock, Visible: time.Minute})
	o := options(s)
	o.Clock, o.Sweep = clock, time.Hour
	first := open(t, o)
	o.QueueURL = s.URL + fakeecs.QueuePath // ends are told by events
	second := open(t, o)
	launched := clock.Now()
	if _, err := first.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	find := func(p provision.Finder, want provision.Presence) {
		t.Helper()
		if got, err := p.Find(context.Background(), "exe-1", multinode.Worker{}, launched); got != want || err != nil {
			t.Errorf("%v (%v), not %v", got, err, want)
		}
	}
	find(first, provision.Alive)
	find(second, provision.Unknown)
	clock.Advance(time.Minute)
	find(second, provision.Alive)
	if err := second.Stop(t.Context(), "exe-1", multinode.Worker{}, 0); err != nil {
		t.Fatal(err)
	}
	find(second, provision.Gone)
	// One that never was is gone when it would have shown by now.
	for since, want := range map[time.Duration]provision.Presence{time.Minute: provision.Unknown, time.Hour: provision.Gone} {
		if got, err := second.Find(t.Context(), "exe-2", multinode.Worker{}, clock.Now().Add(-since)); got != want || err != nil {
			t.Errorf("after %v: %v (%v)", since, got, err)
		}
	}
}

// A dispatcher that launches what another has launched a moment ago, and that the
// service does not show yet, waits until it does.
func TestATaskThatIsNotShownYetIsFoundAgain(t *testing.T) {
	clock := newClock()
	s := serve(t, fakeecs.Options{Clock: clock, Visible: 3 * time.Second})
	o := options(s)
	o.Clock, o.Sweep = clock, time.Hour
	first, second := open(t, o), open(t, o)
	made, err := first.Launch(t.Context(), intent("exe-1"))
	if err != nil {
		t.Fatal(err)
	}
	other := intent("exe-1")
	other.Credentials = []byte("minted anew")
	result := make(chan error, 1)
	go func() {
		again, err := second.Launch(context.Background(), other)
		if err == nil && again != made {
			t.Errorf("%v, not %v", again, made)
		}
		result <- err
	}()
	for range 2 {
		if err := clock.BlockUntilContext(t.Context(), 3); err != nil { // two sweeps and the launch
			t.Fatal(err)
		}
		clock.Advance(2 * time.Second)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}
