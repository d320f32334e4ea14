package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"multinode/client"
)

// serverProject is the project that withServer deploys.
const serverProject = "bench"

// withServer runs `multinode up` as a process of its own, with a project of this
// main.py deployed, while use looks at it.
func withServer(ctx context.Context, main string, use func(api *client.Client, pid int) error) (err error) {
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
	folder, err := writeProject(dir, main)
	if err != nil {
		return err
	}
	if err := deploy(ctx, api, serverProject, folder); err != nil {
		return err
	}
	return use(api, server.Process.Pid)
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
