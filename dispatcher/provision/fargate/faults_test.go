package fargate_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/fargate/fakeecs"
)

func TestRefusalsAreToldApart(t *testing.T) {
	three := func(f fakeecs.Fault) []fakeecs.Fault { return []fakeecs.Fault{f, f, f} } // the SDK asks three times
	tests := map[string]struct {
		faults []fakeecs.Fault
		kind   provision.Kind
	}{
		"no memory":       {[]fakeecs.Fault{fakeecs.NoMemory}, provision.NoCapacity},
		"no capacity":     {[]fakeecs.Fault{fakeecs.NoCapacity}, provision.NoCapacity},
		"as an error":     {[]fakeecs.Fault{fakeecs.NoCapacityError}, provision.NoCapacity},
		"vCPU quota":      {[]fakeecs.Fault{fakeecs.TooManyVCPUs}, provision.NoCapacity},
		"throttle":        {three(fakeecs.Throttled), provision.Transient},
		"hidden throttle": {three(fakeecs.HiddenThrottle), provision.Transient},
		"no answer":       {three(fakeecs.ServerError), provision.Transient},
		"bad role":        {[]fakeecs.Fault{fakeecs.PassRoleRefused}, provision.Transient},
		"access denied":   {[]fakeecs.Fault{fakeecs.AccessDenied}, provision.Transient},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, fakeecs.Options{})
			p := open(t, options(s))
			s.Inject("RunTask", test.faults...)
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

func TestAThrottleUnderAnotherNameIsSatOut(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	p := open(t, options(s))
	s.Inject("RunTask", fakeecs.HiddenThrottle)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Error(err)
	}
}

// The calls that look for tasks are few, and a shortage makes many launches fail.
func TestWhatWasRefusedIsNotLookedFor(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	p := open(t, options(s))
	looked := s.Calls("ListTasks")
	s.Inject("RunTask", fakeecs.NoCapacity)
	if _, err := p.Launch(t.Context(), intent("exe-1")); provision.KindOf(err) != provision.NoCapacity {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context(), "exe-1", multinode.Worker{}, 0); err != nil {
		t.Fatal(err)
	}
	if n := s.Calls("ListTasks"); n != looked {
		t.Errorf("looked %d times", n-looked)
	}
	// Where the service's word was not clear, there may be a task.
	s.Inject("RunTask", fakeecs.CutAfterwards...)
	if _, err := p.Launch(t.Context(), intent("exe-2")); err == nil {
		t.Fatal("an answer came")
	}
	if err := p.Stop(t.Context(), "exe-2", multinode.Worker{}, 0); err != nil {
		t.Fatal(err)
	}
	if tasks := s.Tasks(); len(tasks) != 1 || tasks[0].Desired != "STOPPED" {
		t.Errorf("%+v", tasks)
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
	for i, shortage := range []fakeecs.Fault{fakeecs.NoCapacity, fakeecs.NoCapacityError, fakeecs.TooManyVCPUs, {}} {
		s.Inject("RunTask", shortage)
		id := "exe-" + strconv.Itoa(i)
		if _, err := p.Launch(t.Context(), intent(id)); err != nil {
			t.Fatal(err)
		}
		want := "FARGATE"
		if shortage == (fakeecs.Fault{}) {
			want = "FARGATE_SPOT"
		}
		if got := s.Tasks()[i]; got.Provider != want || got.StartedBy != id {
			t.Errorf("%+v is not on %s", got, want)
		}
	}
	// Where neither has any, that is the answer.
	s.Inject("RunTask", fakeecs.NoCapacity, fakeecs.NoMemory)
	if _, err := p.Launch(t.Context(), intent("exe-full")); provision.KindOf(err) != provision.NoCapacity {
		t.Error(err)
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

// Somebody tidies up in the account: what is needed is made anew.
func TestADefinitionThatWasRemovedIsMadeAnew(t *testing.T) {
	s := serve(t, fakeecs.Options{})
	o := options(s)
	p := open(t, o)
	if _, err := p.Launch(t.Context(), intent("exe-1")); err != nil {
		t.Fatal(err)
	}
	client := ecs.NewFromConfig(o.AWS)
	task, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Cluster: aws.String(o.Cluster), Tasks: []string{s.Tasks()[0].ARN}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeregisterTaskDefinition(t.Context(), &ecs.DeregisterTaskDefinitionInput{TaskDefinition: task.Tasks[0].TaskDefinitionArn}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Launch(t.Context(), intent("exe-2")); provision.KindOf(err) != provision.Transient || !strings.Contains(err.Error(), "is made anew") {
		t.Errorf("%v", err)
	}
	if _, err := p.Launch(t.Context(), intent("exe-2")); err != nil {
		t.Error(err)
	}
}
