package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// life lets a server run until it dies at a fail point, or for a moment after which
// something is done to it or to its workers. It returns when the server is down, and
// takes it down when it is enough.
func (r *run) life(ctx context.Context, s *server, enough func() bool) {
	s.kill()
	armed, disturb := r.crashes.armed, r.disturb
	switch {
	case r.thorough:
		armed, disturb = r.crashes.allArmed, r.provoke
	case r.unarmed():
		armed = unarmed
		if disturb = r.disturbWorkers; r.suspends {
			disturb = r.suspend
		}
	}
	if !r.comeUp(ctx, s, armed(r.dice)...) {
		return
	}
	for s.running() && ctx.Err() == nil && !enough() {
		select {
		case <-s.gone():
			return
		case <-ctx.Done():
		case <-time.After(time.Second + time.Duration(r.dice.next(2000))*time.Millisecond):
			disturb(s)
		}
	}
	s.kill()
}

// comeUp starts a server, again and again as a supervisor does where what it needs
// may be down, too. It returns false where the server died at a fail point while it
// started, or does not come up at all.
func (r *run) comeUp(ctx context.Context, s *server, armed ...string) bool {
	for until := time.Now().Add(startPatience); ; wait(ctx, 2*breath) {
		died := r.crashes.died()
		err := s.serve(r.environment(s, armed...))
		switch {
		case err == nil:
			return true
		case errors.Is(err, errDied) && r.crashes.died() > died, ctx.Err() != nil:
			return false
		case len(r.brokers) == 0 && r.disk == nil, time.Now().After(until):
			r.lostServer(s, err)
			return false
		}
	}
}

// disturb does one thing that may happen to a machine.
func (r *run) disturb(s *server) {
	switch r.dice.next(8) {
	case 0, 1:
		r.fault("kill -9 of " + kind(s) + " at random")
		s.kill()
	case 2:
		r.fault("restart of " + kind(s))
		if err := s.stop(); err != nil {
			r.violation("%v", err)
		}
	case 7:
		r.hideCode(s)
	default:
		r.disturbWorkers(s)
	}
	if r.long && r.dice.next(40) == 0 {
		r.suspend(s)
	}
}

func (r *run) disturbWorkers(*server) {
	switch r.dice.next(2) {
	case 0:
		r.killOne("kill -9 of a runner", process.runner)
	case 1:
		r.killOne("kill -9 of the user's Python", process.code)
	}
}

// kind says what a server is, without its number.
func kind(s *server) string { return "the " + strings.TrimRight(s.name, "0123456789") }

func (r *run) killOne(kind string, which func(process) bool) {
	if p, ok := r.choose(which); ok && syscall.Kill(p.pid, syscall.SIGKILL) == nil {
		r.fault(kind)
	}
}

// choose takes one of the run's processes.
func (r *run) choose(which func(process) bool) (process, bool) {
	var found []process
	for _, p := range processes(r.id) {
		if which(p) {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return process{}, false
	}
	return found[r.dice.next(len(found))], true
}

// hideCode makes launches fail for a while, for a reason that is the system's own.
func (r *run) hideCode(s *server) {
	code := filepath.Join(s.data, "builds", "projects")
	if os.Rename(code, code+".away") != nil {
		return
	}
	defer func() {
		_ = os.Remove(code)
		if err := os.Rename(code+".away", code); err != nil {
			r.violation("the suite could not put the code back: %v", err)
		}
	}()
	if os.WriteFile(code, nil, 0o600) == nil {
		r.fault("prepared code out of reach for a moment")
		select {
		case <-s.gone():
		case <-time.After(1500 * time.Millisecond):
		}
	}
}
