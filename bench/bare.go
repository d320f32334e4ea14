package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"

	"multinode/embedded"
	"multinode/streams"
)

// bareServer is the argument that makes this program the process of withBareServer.
const bareServer = "bare-server"

// serveBare runs a NATS server and nothing else on a folder. For each number that it
// reads it stores as many more requests with their records, and answers a line.
func serveBare(ctx context.Context, dir string, in io.Reader, out io.Writer) (err error) {
	options := embedded.DefaultOptions(dir)
	options.SyncAlways = false // which costs time, not memory
	server, err := embedded.Start(ctx, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close(context.WithoutCancel(ctx))) }()
	nc, err := server.Connect("bench")
	if err != nil {
		return err
	}
	store, err := streams.Open(ctx, nc, streams.Options{})
	if err != nil {
		return err
	}
	defer store.Close()
	p, v, err := deployBare(ctx, store)
	if err != nil {
		return err
	}
	for orders := bufio.NewScanner(in); orders.Scan(); {
		count, err := strconv.Atoi(orders.Text())
		if err != nil {
			return err
		}
		if err := acceptMany(ctx, store, p, v.ID, count); err != nil {
			return err
		}
		debug.FreeOSMemory() // what is left is held
		if _, err := fmt.Fprintln(out, "done"); err != nil {
			return err
		}
	}
	return nil
}

// withBareServer runs serveBare as a process of its own. store stores so many more.
func withBareServer(ctx context.Context, use func(store func(count int) error, pid int) error) (err error) {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "multinode-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	bare := exec.CommandContext(ctx, program, bareServer, dir)
	bare.Stderr = os.Stderr
	orders, err := bare.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := bare.StdoutPipe()
	if err != nil {
		return err
	}
	if err := bare.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, orders.Close(), bare.Wait()) }()
	lines := bufio.NewReader(answers)
	return use(func(count int) error {
		if _, err := fmt.Fprintln(orders, count); err != nil {
			return err
		}
		line, err := lines.ReadString('\n')
		if err == nil && strings.TrimSpace(line) != "done" {
			err = fmt.Errorf("the bare server says %q", line)
		}
		return err
	}, bare.Process.Pid)
}
