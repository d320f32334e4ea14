package dispatcher

import "time"

const (
	// steadyFor is how long the wall clock has to have gone steadily before anything is
	// deleted for its age, and steadyShare bounds that where ages are short.
	steadyFor   = time.Hour
	steadyShare = 168
	// stepTolerance is by how much it may be adjusted between two looks.
	stepTolerance = 10 * time.Second
)

// steady notices that the wall clock was set. What ended is as old as that clock says,
// and one that is days ahead for a while must not have everything deleted. It may be
// right in the end: whatever it says for long enough counts.
type steady struct {
	wall time.Time
	mono time.Duration
	// since is when, by the monotonic clock, it was seen to be set, or first looked at.
	since  time.Duration
	looked bool
}

// look takes what both clocks say, and returns for how long they have agreed.
func (s *steady) look(wall time.Time, mono time.Duration) time.Duration {
	wall = wall.Round(0)
	if step := wall.Sub(s.wall) - (mono - s.mono); !s.looked || step.Abs() > stepTolerance {
		s.since = mono
	}
	s.wall, s.mono, s.looked = wall, mono, true
	return mono - s.since
}

// steadyEnough is how long that has to be for what is kept for so long.
func steadyEnough(retention time.Duration) time.Duration {
	return min(steadyFor, retention/steadyShare)
}
