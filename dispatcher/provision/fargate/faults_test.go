package fargate_test

import (
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/fargate/fakeecs"
)

func TestRefusalsAreToldApart(t *testing.T) {
	tests := map[string]struct {
		fault fakeecs.Fault
		kind  provision.Kind
	}{
		"no memory":       {fakeecs.NoMemory, provision.NoCapacity},
		"no capacity":     {fakeecs.NoCapacity, provision.NoCapacity},
		"vCPU quota":      {fakeecs.TooManyVCPUs, provision.NoCapacity},
		"hidden throttle": {fakeecs.HiddenThrottle, provision.Transient},
		"bad role":        {fakeecs.PassRoleRefused, provision.Permanent},
		"access denied":   {fakeecs.AccessDenied, provision.Permanent},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, fakeecs.Options{})
			p := open(t, options(s))
			s.Inject("RunTask", test.fault)
			_, err := p.Launch(t.Context(), intent("exe-1"))
			if err == nil || provision.KindOf(err) != test.kind || (provision.RetryAfter(err) > 0) != (test.kind != provision.Permanent) {
				t.Errorf("%v: %v, again after %v", provision.KindOf(err), err, provision.RetryAfter(err))
			}
			// A refusal is remembered by its token: the next attempt has another one.
			if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
				t.Errorf("again: %v", err)
			}
			if n := len(s.Tasks()); n != 1 {
				t.Errorf("%d tasks", n)
			}
		})
	}
}

func TestALostAnswerMakesNoSecondTask(t *testing.T) {
	s := serve(t, fakeecs.Options{Visible: time.Hour, Clock: clockwork.NewFakeClock()})
	p := open(t, options(s))
	s.Inject("RunTask", fakeecs.LostAnswer, fakeecs.ServerError)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	if n := len(s.Tasks()); n != 1 {
		t.Errorf("%d tasks", n)
	}
}

func TestOtherCredentialsFindTheSameTask(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	first, second := open(t, options(s)), open(t, options(s))
	made, err := first.Launch(t.Context(), intent("exe-1"))
	if err != nil {
		t.Fatal(err)
	}
	other := intent("exe-1")
	other.Credentials = []byte("minted anew")
	if again, err := second.Launch(t.Context(), other); err != nil || again != made {
		t.Errorf("%v (%v), not %v", again, err, made)
	}
}

func TestSpotFallsBack(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	o := options(s)
	o.Spot = true
	p := open(t, o)
	s.Inject("RunTask", fakeecs.NoCapacity)
	for _, id := range []string{"exe-1", "exe-2"} {
		if _, err := p.Launch(t.Context(), intent(id)); err != nil {
			t.Fatal(err)
		}
	}
	if tasks := s.Tasks(); len(tasks) != 2 || tasks[0].Provider != "FARGATE" || tasks[1].Provider != "FARGATE_SPOT" {
		t.Errorf("%+v", tasks)
	}
}

func TestTooLongAnEnvironmentIsPermanent(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	p := open(t, options(s))
	long := intent("exe-1")
	long.Credentials = make([]byte, 8192)
	if _, err := p.Launch(t.Context(), long); provision.KindOf(err) != provision.Permanent {
		t.Errorf("%v", err)
	}
}

func TestATaskThatDoesNotStartIsStopped(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	o := options(s)
	o.StartDeadline = time.Millisecond
	p := open(t, o)
	s.Inject("RunTask", fakeecs.Stuck)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	if exit := <-p.Exits(); !exit.NotStarted || exit.ExecutionID != "exe-1" {
		t.Errorf("%+v", exit)
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
