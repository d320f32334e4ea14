package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
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
func measureIdle(ctx context.Context, r *report) (err error) {
	program, err := workerProgram(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "multinode-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	const key = "the-key-of-the-benchmark"
	server := exec.CommandContext(ctx, program, "up", "--data-dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	server.Env = append(os.Environ(), "MULTINODE_API_KEY="+key)
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, server.Process.Signal(syscall.SIGTERM))
		_ = server.Wait()
	}()
	api, err := awaitServer(ctx, filepath.Join(dir, "data"), key)
	if err != nil {
		return err
	}
	folder, err := writeProject(dir, manyFunctions(idleFunctions))
	if err != nil {
		return err
	}
	if err := deploy(ctx, api, "bench", folder); err != nil {
		return err
	}
	if err := pause(ctx, settleFor); err != nil {
		return err
	}
	before, err := cpuTime(server.Process.Pid)
	if err != nil {
		return err
	}
	if err := pause(ctx, idleFor); err != nil {
		return err
	}
	after, err := cpuTime(server.Process.Pid)
	if err != nil {
		return err
	}
	resident, err := residentMB(server.Process.Pid)
	if err != nil {
		return err
	}
	r.line("resident %.0f MB (aim at most 120)   %.2f %% of a core over %v (aim below 1)",
		resident, 100*(after-before).Seconds()/idleFor.Seconds(), idleFor)
	return nil
}

// awaitServer waits until the server has noted its port and answers.
func awaitServer(ctx context.Context, data, key string) (*client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		if port, err := os.ReadFile(filepath.Join(data, "api-port")); err == nil {
			api, err := client.New(client.Options{URL: "http://127.0.0.1:" + strings.TrimSpace(string(port)), Key: key})
			if err != nil {
				return nil, err
			}
			if api.Health(ctx) == nil {
				return api, nil
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, fmt.Errorf("the server did not come up: %w", err)
		}
	}
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

func residentMB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kB, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kB * 1024 / 1e6, err
}
