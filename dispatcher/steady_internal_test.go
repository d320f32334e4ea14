package dispatcher

import (
	"testing"
	"time"
)

func TestAWallClockThatWasSetHasToBeSteadyAgain(t *testing.T) {
	var s steady
	wall, mono := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Duration(0)
	pass := func(d, step time.Duration) time.Duration {
		wall, mono = wall.Add(d+step), mono+d
		return s.look(wall, mono)
	}
	for _, c := range []struct{ pass, step, want time.Duration }{
		{0, 0, 0},
		{time.Minute, 0, time.Minute},
		{time.Minute, time.Second, 2 * time.Minute}, // as NTP adjusts it
		{time.Minute, 30 * 24 * time.Hour, 0},
		{time.Minute, 0, time.Minute},
		{time.Minute, -30 * 24 * time.Hour, 0},
		{time.Hour, 0, time.Hour},
	} {
		if got := pass(c.pass, c.step); got != c.want {
			t.Errorf("after %v with a step of %v it is steady for %v, want %v", c.pass, c.step, got, c.want)
		}
	}
}

func TestNothingGoesForItsAgeWhereTheClockMayBeWrong(t *testing.T) {
	u := newRetaining(t)
	old := u.ended(week+time.Second, "old")
	u.listed(0)
	if n, err := u.d.forgetFinished(t.Context(), false); n != 0 || err != nil || !u.kept(old) {
		t.Errorf("%d were forgotten: %v", n, err)
	}
}
