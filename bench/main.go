// Command bench measures the system against floors that it takes in the same
// run, on the same machine and the same disk: a ratio holds where an absolute
// figure does not.
//
//	go run ./bench            everything
//	go run ./bench -only start,list
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// figures in the order in which they are taken.
var figures = []struct {
	name, what string
	measure    func(context.Context, *report) error
}{
	{"start", "a start is accepted", measureStart},
	{"launch", "from start to the first line of the user's function", measureLaunch},
	{"finish", "from the put of the worker's outcome to a waiting client", measureFinish},
	{"slot", "a slot that is freed is taken by the next in a queue", measureSlot},
	{"idle", "100 functions deployed, nothing to do", measureIdle},
	{"waiting", "memory with 100,000 waiting invocations", measureWaiting},
	{"container", "from start to the first line in a fresh container, and deployments of changed code", measureContainer},
	{"fargate", "launches on AWS Fargate, and many tasks in flight", measureFargate},
	{"list", "the 50 newest of many invocations", measureList},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == bareServer {
		if err := serveBare(context.Background(), os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", "", "comma-separated figures: start, launch, finish, slot, idle, waiting, container, fargate, list; all by default")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := measure(ctx, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, only string) error {
	r := &report{out: os.Stdout}
	for name := range strings.SplitSeq(only, ",") {
		if only != "" && !known(name) {
			return fmt.Errorf("there is no figure %q", name)
		}
	}
	for _, f := range figures {
		if only != "" && !slices.Contains(strings.Split(only, ","), f.name) {
			continue
		}
		r.title(f.name + ": " + f.what)
		if err := f.measure(ctx, r); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

func known(name string) bool {
	for _, f := range figures {
		if f.name == name {
			return true
		}
	}
	return false
}
