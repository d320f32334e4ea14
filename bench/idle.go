package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"multinode/client"
)

const (
	idleFunctions = 100
	settleFor     = 15 * time.Second
	idleFor       = 20 * time.Second
	// clockTicks is the unit of /proc/<pid>/stat, the same on every Linux.
	clockTicks = 100
)

// measureIdle runs `multinode up` as a process of its own and reads from the
// kernel what it holds and burns with nothing to do.
func measureIdle(ctx context.Context, r *report) error {
	return withServer(ctx, manyFunctions(idleFunctions), func(_ *client.Client, pid int) error {
		if err := pause(ctx, settleFor); err != nil {
			return err
		}
		before, err := cpuTime(pid)
		if err != nil {
			return err
		}
		if err := pause(ctx, idleFor); err != nil {
			return err
		}
		after, err := cpuTime(pid)
		if err != nil {
			return err
		}
		resident, err := residentMB(pid)
		if err != nil {
			return err
		}
		r.line("resident %.0f MB (aim at most 120)   %.2f %% of a core over %v (aim below 1)",
			resident, 100*(after-before).Seconds()/idleFor.Seconds(), idleFor)
		return nil
	})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cpuTime is what a process has burned, user and system, from proc(5).
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}

// residentMB is what a process holds of memory.
func residentMB(pid int) (float64, error) { return statusMB(pid, "VmRSS:") }

// ownMB is that without what it has mapped of files, which the kernel takes back
// when memory is short.
func ownMB(pid int) (float64, error) { return statusMB(pid, "RssAnon:") }

// statusMB reads a line of /proc/<pid>/status, see proc(5).
func statusMB(pid int, line string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), line)
	kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kB * 1024 / 1e6, err
}
