package main

import (
	"context"
	"path/filepath"
	"time"
)

// onDisk prepares a system of one process whose data are on a disk of their own.
func (w *workshop) onDisk(dir string) (*system, error) {
	d, err := newDisk(filepath.Join(dir, "up"))
	if err != nil {
		return nil, err
	}
	s, err := w.single(dir)
	if err != nil {
		_ = d.close()
		return nil, err
	}
	s.disk = d
	return s, nil
}

// afterwards is how long a system that had no room may take until it accepts again.
// One that has to be started anew for that ends by itself, and is.
const afterwards = 3 * time.Minute

// disturbDisk fills the disk to the last byte and empties it again, until ctx ends.
// Each time it waits until the system accepts again, with no help but a supervisor's.
func (r *run) disturbDisk(ctx context.Context) {
	for wait(ctx, 2*time.Second+r.upTo(4*time.Second)); ctx.Err() == nil; wait(ctx, 2*time.Second+r.upTo(4*time.Second)) {
		r.fault("the disk full")
		until := time.Now().Add(time.Second + r.upTo(6*time.Second))
		err := r.disk.fill(func() bool { return ctx.Err() == nil && time.Now().Before(until) })
		if err != nil {
			r.violation("the suite could not fill the disk: %v", err)
		}
		if err := r.disk.free(); err != nil {
			r.violation("the suite could not empty the disk: %v", err)
		}
		r.awaitAcceptance(context.WithoutCancel(ctx))
	}
}

func (r *run) awaitAcceptance(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, afterwards)
	defer cancel()
	if _, err := r.load.start(ctx, "quick", 1); err != nil {
		r.giveUp("the disk has room again for %v, and nothing is accepted: %v\n%s", afterwards, err, r.gateways[0].tail(10))
		r.hopeless()
	}
}

func (r *run) upTo(most time.Duration) time.Duration { return time.Duration(r.dice.next(int(most))) }
