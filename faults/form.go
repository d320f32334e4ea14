package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// form is what the flags say.
type form struct {
	duration time.Duration
	seed     uint64
	// race and clock say how the binary is built, and may go with any other.
	race, clock bool
	// several, cluster, messages, disk and points each are a system of their own.
	several, cluster, messages, disk, points bool
	suspend, keep                            bool
}

// check refuses what does not go together.
func (f form) check() error {
	systems := 0
	for _, chosen := range []bool{f.several, f.cluster, f.messages, f.disk, f.points} {
		if chosen {
			systems++
		}
	}
	switch {
	case systems > 1:
		return errors.New("-several, -cluster, -messages, -disk and -points exclude each other: each is another system")
	case f.suspend && (f.disk || f.points):
		return errors.New("-suspend does not go with -disk or -points: each of them is all that is done to servers")
	case f.duration < 0:
		return errors.New("-duration is negative")
	}
	return nil
}

// setDuration sets the duration where none was given.
func (f *form) setDuration() {
	switch {
	case f.duration > 0:
	case f.points:
		f.duration = 20 * time.Minute // it ends when all were reached
	default:
		f.duration = 10 * time.Minute
	}
}

// prepare is how the system is made.
func (f form) prepare(ctx context.Context, w *workshop) func(dir string) (*system, error) {
	prepare := w.single
	switch {
	case f.points:
		prepare = w.forgetful
	case f.cluster:
		prepare = w.several(ctx, 3, 2)
	case f.several:
		prepare = w.several(ctx, 1, 2)
	case f.messages:
		prepare = w.lossy(ctx, 2)
	case f.disk:
		prepare = w.onDisk
	}
	if !f.clock {
		return prepare
	}
	return func(dir string) (*system, error) {
		s, err := prepare(dir)
		if err == nil {
			s.clocks, err = newClocks(filepath.Join(dir, "clocks"))
		}
		return s, err
	}
}

// options are those of the run, in a folder that it makes.
func (f form) options(dir string) (options, error) {
	o := options{
		dir: dir, seed: f.seed, long: true, thorough: f.points, suspends: f.suspend,
		say: func(format string, arguments ...any) { fmt.Printf(format+"\n", arguments...) },
	}
	if f.race {
		o.races = filepath.Join(dir, "races")
		return o, os.MkdirAll(o.races, 0o700)
	}
	return o, os.MkdirAll(dir, 0o700)
}
