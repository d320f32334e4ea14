package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

func main() {
	duration := flag.Duration("duration", 10*time.Minute, "how long faults are injected")
	seed := flag.Uint64("seed", rand.Uint64N(1_000_000), "of all choices")
	race := flag.Bool("race", false, "build the binary with the race detector")
	several := flag.Bool("several", false, "gateways and dispatchers by themselves on a NATS server, two of each")
	cluster := flag.Bool("cluster", false, "the same on three NATS servers, which are killed and cut off, too (needs root)")
	points := flag.Bool("points", false, "look for every fail point, and fail where one is not reached; -duration is the most")
	keep := flag.Bool("keep", false, "keep the folder, with the logs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := long(ctx, form{*duration, *seed, *race, *several, *cluster, *points, *keep})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		code = 1
	}
	os.Exit(code)
}

// form is what the flags say.
type form struct {
	duration                             time.Duration
	seed                                 uint64
	race, several, cluster, points, keep bool
}

// long is the long form. It returns the exit code.
func long(ctx context.Context, f form) (int, error) {
	dir, err := os.MkdirTemp("", "multinode-faults-")
	if err != nil {
		return 1, err
	}
	if f.keep {
		fmt.Println("folder:", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	fmt.Printf("seed %d, %v of faults\n", f.seed, f.duration)
	shop, err := newWorkshop(ctx, dir, f.race)
	if err != nil {
		return 1, err
	}
	say := func(format string, arguments ...any) { fmt.Printf(format+"\n", arguments...) }
	o := options{dir: filepath.Join(dir, "one"), seed: f.seed, long: true, thorough: f.points, say: say}
	if err := os.MkdirAll(o.dir, 0o700); err != nil {
		return 1, err
	}
	prepare := shop.single
	switch {
	case f.points && (f.cluster || f.several):
		return 1, errors.New("-points is for one process: the others' points are the same")
	case f.points:
		prepare = shop.forgetful
	case f.cluster:
		prepare = shop.several(ctx, 3, 2)
	case f.several:
		prepare = shop.several(ctx, 1, 2)
	}
	r, err := shop.open(ctx, o, prepare)
	if err != nil {
		return 1, err
	}
	defer r.close()
	ends := time.Now().Add(f.duration)
	r.search.ends = ends
	var rounds sync.Mutex
	r.disturbed(ctx, 6, func() bool {
		if f.points {
			return r.searched()
		}
		rounds.Lock()
		defer rounds.Unlock()
		if len(r.crashes.left()) == 0 {
			r.crashes.again()
		}
		return time.Now().After(ends)
	})
	r.finish(ctx)
	if f.points {
		r.unreached()
	}
	for _, name := range r.crashes.names {
		if !r.crashes.reached[name] {
			r.say("nothing died at the fail point %s", name)
		}
	}
	fmt.Print(r.report())
	fmt.Printf("seed %d\n", f.seed)
	if len(r.violations) > 0 {
		return 1, nil
	}
	return 0, nil
}
