package fargate_test

import (
	"testing"
	"time"

	"multinode/dispatcher/provision/fargate"
	"multinode/dispatcher/provision/fargate/fakeecs"
)

func TestPasswordsOfECRAreKeptWhileTheyAreGood(t *testing.T) {
	clock := newClock()
	s := serve(t, fakeecs.Options{Clock: clock})
	o := options(s)
	o.Clock = clock
	logins := fargate.NewLogins(o)
	registry := fakeecs.Account + ".dkr.ecr." + fakeecs.Region + ".amazonaws.com"
	last := ""
	for i, after := range []time.Duration{0, 9 * time.Hour, 2 * time.Hour} { // of twelve
		clock.Advance(after)
		user, password, ok, err := logins.Login(t.Context(), registry)
		if user != "AWS" || !ok || err != nil {
			t.Fatalf("%s %v %v", user, ok, err)
		}
		if kept := password == last; kept != (i == 1) {
			t.Errorf("after %v the password is kept: %v", after, kept)
		}
		last = password
	}
	if _, _, ok, err := logins.Login(t.Context(), "registry.example"); ok || err != nil {
		t.Errorf("asked for another registry: %v", err)
	}
	s.Inject("GetAuthorizationToken", fakeecs.AccessDenied)
	clock.Advance(12 * time.Hour)
	if _, _, ok, err := logins.Login(t.Context(), registry); !ok || err == nil {
		t.Error("a refusal is no error")
	}
}
