package main

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// forgetful prepares a system of one process that forgets what has ended as soon
// as it may, so that the points of forgetting are reached, too.
func (w *workshop) forgetful(dir string) (*system, error) {
	s, err := w.single(dir)
	if err == nil {
		s.gateways[0].arguments = append(s.gateways[0].arguments, "--retention", "1s")
	}
	return s, err
}

const (
	// provoked is how long servers and workers are killed without a new point
	// being reached. Then a server is left alone for as long as forgetting takes:
	// what has ended is kept for a minute, and looked at once a minute.
	provoked  = 45 * time.Second
	leftAlone = 8 * time.Minute
)

// search is how far a thorough run has come.
type search struct {
	ends  time.Time
	mu    sync.Mutex
	died  int
	since time.Time // when a new point was reached
}

// stalled is how long no new point has been reached.
func (s *search) stalled(died int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if died > s.died || s.since.IsZero() {
		s.died, s.since = died, time.Now()
	}
	return time.Since(s.since)
}

// searched tells whether all points were reached, nothing leads to the others, or the
// time is over.
func (r *run) searched() bool {
	died := r.crashes.died()
	return died == len(r.crashes.names) || time.Now().After(r.search.ends) || r.search.stalled(died) > provoked+leftAlone
}

// provoke brings about what leads to the rarer points: launches that fail, workers
// that die, and starts of servers in the midst of everything.
func (r *run) provoke(s *server) {
	if r.calm() {
		return
	}
	switch r.dice.next(8) { // often nothing: deployments have to get on, too
	case 0, 1:
		r.hideCode(s)
	case 3:
		r.killOne("kill -9 of a runner", process.runner)
	case 4:
		r.killOne("kill -9 of the user's Python", process.code)
	case 5:
		r.fault("kill -9 of " + kind(s) + " at random")
		s.kill()
	}
}

// calm tells whether clients should hold back, so that there is less to forget than is
// forgotten: what is left to be reached comes after that.
func (r *run) calm() bool {
	return r.search.stalled(r.crashes.died()) > provoked || !slices.ContainsFunc(r.crashes.left(), provokable)
}

// provokable tells whether disturbing a server may lead to a point. What is forgotten
// and tidied up is so by one that has lived for a while.
func provokable(point string) bool {
	return !strings.HasSuffix(point, "_forgotten") && !strings.HasPrefix(point, "streams.stray_")
}

// allArmed has a process die at the first hit of any point that is left.
func (c *crashes) allArmed(*dice) []string {
	return []string{"MULTINODE_FAILPOINTS=" + strings.Join(c.left(), ","), "MULTINODE_FAILPOINTS_ONCE=" + c.once}
}

// unarmed tells whether nothing dies at fail points in this run: what it does instead is
// what servers have to get over by themselves.
func (r *run) unarmed() bool { return r.disk != nil || r.suspends || r.messages != nil }

// sayUnreached names the points at which nothing has died.
func (r *run) sayUnreached() {
	for _, name := range r.crashes.names {
		if !r.crashes.reached[name] {
			r.say("nothing died at the fail point %s", name)
		}
	}
}

// unreached is a violation of each point at which nothing has died.
func (r *run) unreached() {
	for _, name := range r.crashes.names {
		if !r.crashes.reached[name] {
			r.violation("nothing died at the fail point %s", name)
		}
	}
}
