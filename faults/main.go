package main

import (
	"context"
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
	f := form{}
	flag.DurationVar(&f.duration, "duration", 0, "how long faults are injected (default 10m; with -points 20m, and at most)")
	flag.Uint64Var(&f.seed, "seed", rand.Uint64N(1_000_000), "of all choices")
	flag.BoolVar(&f.race, "race", false, "build the binary with the race detector; a race is a violation")
	flag.BoolVar(&f.several, "several", false, "gateways and dispatchers by themselves on a NATS server, two of each")
	flag.BoolVar(&f.cluster, "cluster", false, "the same on three NATS servers, which are killed and cut off, too (needs root)")
	flag.BoolVar(&f.messages, "messages", false, "as -several, with messages to and from NATS lost and repeated, and kill workers only")
	flag.BoolVar(&f.suspend, "suspend", false, "suspend servers and workers for longer than their leases, and kill workers only")
	flag.BoolVar(&f.clock, "clock", false, "set processes' wall clocks forward and back")
	flag.BoolVar(&f.disk, "disk", false, "fill the disk of all data again and again, and kill workers only (needs root)")
	flag.BoolVar(&f.points, "points", false, "look for every fail point, and fail where one is not reached")
	flag.BoolVar(&f.keep, "keep", false, "keep the folder, with the logs")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := long(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		code = 1
	}
	os.Exit(code)
}

// long is the long form. It returns the exit code.
func long(ctx context.Context, f form) (int, error) {
	if err := f.check(); err != nil {
		return 1, err
	}
	f.setDuration()
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
	shop, err := newWorkshop(ctx, dir, built{race: f.race, stepped: f.clock})
	if err != nil {
		return 1, err
	}
	o, err := f.options(filepath.Join(dir, "one"))
	if err != nil {
		return 1, err
	}
	r, err := shop.open(ctx, o, f.prepare(ctx, shop))
	if err != nil {
		return 1, err
	}
	defer r.close()
	defer context.AfterFunc(ctx, r.interrupted)()
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
	} else if !r.unarmed() {
		r.sayUnreached()
	}
	fmt.Print(r.report())
	fmt.Printf("seed %d\n", f.seed)
	if len(r.violations) > 0 || ctx.Err() != nil {
		return 1, ctx.Err()
	}
	return 0, nil
}
