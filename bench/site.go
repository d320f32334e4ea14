package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/streams"
)

// site is a stock NATS server with processes of its own, as operators run them.
type site struct {
	dir                   string
	program               string
	url, creds, authority string
	nats                  *nats.Conn
	store                 *streams.Store
	processes             []*exec.Cmd
}

// startSite writes the configuration of a NATS server, and starts it.
func startSite(ctx context.Context) (s *site, err error) {
	s = &site{}
	if s.dir, err = os.MkdirTemp("", "multinode-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.program, err = workerProgram(ctx); err != nil {
		return nil, err
	}
	server := filepath.Join(s.dir, "nats-server")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", server, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build a NATS server: %w\n%s", err, out)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, s.program, "nats-config", "--out="+filepath.Join(s.dir, "nats"), "--store-dir="+filepath.Join(s.dir, "store"),
		"--monitor-port=0", "--max-store=2GiB", "--server="+address, "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("configure NATS: %w", err)
	}
	var written struct {
		Configs      []string `json:"configs"`
		ControlPlane string   `json:"control_plane"`
		Authority    string   `json:"authority"`
		URL          string   `json:"nats_url"`
	}
	if err := json.Unmarshal(out, &written); err != nil {
		return nil, err
	}
	s.url, s.creds, s.authority = written.URL, written.ControlPlane, written.Authority
	if _, err := s.start(ctx, server, "-c", written.Configs[0]); err != nil {
		return nil, err
	}
	if s.nats, err = nats.Connect(s.url, nats.UserCredentials(s.creds), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1)); err != nil {
		return nil, err
	}
	for s.nats.Status() != nats.CONNECTED {
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	s.store, err = streams.Open(ctx, s.nats, streams.Options{})
	return s, err
}

func freeAddress() (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func (s *site) start(ctx context.Context, program string, args ...string) (pid int, err error) {
	c := exec.CommandContext(ctx, program, args...)
	if err := c.Start(); err != nil {
		return 0, err
	}
	s.processes = append(s.processes, c)
	return c.Process.Pid, nil
}

// dispatch starts a dispatcher.
func (s *site) dispatch(ctx context.Context, args ...string) (pid int, err error) {
	return s.start(ctx, s.program, append([]string{
		"dispatcher", "--nats-url=" + s.url, "--nats-creds=" + s.creds, "--authority=" + s.authority,
		"--data-dir=" + filepath.Join(s.dir, "dispatcher"), "--api-url=http://127.0.0.1:1",
	}, args...)...)
}

const (
	flightRepository = "127.0.0.1:1/projects"
	flightDigest     = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

// deployFlight stores a version that is ready, of an image that nobody pulls.
func (s *site) deployFlight(ctx context.Context) (v multinode.Version, err error) {
	project, err := s.store.CreateProject(ctx, "flight")
	if err != nil {
		return v, err
	}
	v = multinode.Version{
		ID: multinode.NewID(multinode.VersionPrefix), Project: project.Name, Generation: project.Generation, CreatedAt: time.Now(),
		State: multinode.VersionReady, Bundle: "0", Built: map[string]string{"": flightRepository + "@" + flightDigest},
	}
	for i := range (inFlight + multinode.MaxConcurrency - 1) / multinode.MaxConcurrency {
		v.Functions = append(v.Functions, multinode.FunctionSpec{
			Name: fmt.Sprintf(flightFunction, i), CPU: 0.25, MemoryGiB: 0.5, MaxConcurrency: multinode.MaxConcurrency, Timeout: time.Hour,
		})
	}
	return v, errors.Join(s.store.CreateVersion(ctx, v, nil), s.store.Activate(ctx, v))
}

// close ends the processes, the dispatcher first.
func (s *site) close() {
	if s.store != nil {
		s.store.Close()
	}
	if s.nats != nil {
		s.nats.Close()
	}
	for i := len(s.processes) - 1; i >= 0; i-- {
		_ = s.processes[i].Process.Signal(syscall.SIGTERM)
		_ = s.processes[i].Wait()
	}
	_ = os.RemoveAll(s.dir)
}
