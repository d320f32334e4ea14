package main

import (
	"fmt"
	"syscall"
	"time"

	"multinode"
)

// A process that is stopped for so long has lost its leases when it wakes up; a
// worker, everybody's patience.
const (
	pastLease = multinode.AckWait + 10*time.Second
	pastLost  = multinode.LostAfter + 15*time.Second
)

// suspend stops a server, a runner or the user's Python, and wakes it when others
// have acted on its silence. Workers meanwhile sleep on beside what else happens.
func (r *run) suspend(s *server) {
	sleep := pastLease
	if r.dice.next(4) == 0 {
		sleep = pastLost
	}
	switch r.dice.next(3) {
	case 0:
		r.fault(fmt.Sprintf("%s suspended for %v", kind(s), pastLease))
		s.signal(syscall.SIGSTOP)
		select {
		case <-s.gone(): // by another's hand
		case <-time.After(pastLease):
		}
		s.signal(syscall.SIGCONT)
	case 1:
		r.suspendOne("a runner", process.runner, sleep)
	case 2:
		r.suspendOne("the user's Python", process.code, sleep)
	}
}

func (r *run) suspendOne(what string, which func(process) bool, sleep time.Duration) {
	p, ok := r.choose(which)
	if !ok || syscall.Kill(p.pid, syscall.SIGSTOP) != nil {
		return
	}
	r.fault(fmt.Sprintf("%s suspended for %v", what, sleep))
	r.asleep.Go(func() {
		time.Sleep(sleep)
		// Its number may be another's by now, to whom this does nothing.
		_ = syscall.Kill(p.pid, syscall.SIGCONT)
	})
}

// unarmed has a process die at no point.
func unarmed(*dice) []string { return nil }
