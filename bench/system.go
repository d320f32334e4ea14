package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/bundle"
	"multinode/client"
	"multinode/up"
	"multinode/wire"
)

// system is a whole system in this process, on a folder of its own, with a
// project deployed.
type system struct {
	up      *up.System
	api     *client.Client
	nats    *nats.Conn
	project string
	dir     string
}

// startSystem starts a system as `multinode up` does, writes synced, and deploys
// benchProject.
func startSystem(ctx context.Context) (s *system, err error) {
	s = &system{project: "bench"}
	if s.dir, err = os.MkdirTemp("", "multinode-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	self, err := workerProgram(ctx)
	if err != nil {
		return nil, err
	}
	options := up.DefaultOptions(filepath.Join(s.dir, "data"))
	options.Worker = []string{self, "runner"}
	if s.up, err = up.Start(ctx, options); err != nil {
		return nil, err
	}
	if s.api, err = client.New(client.Options{URL: s.up.URL, Key: s.up.Key}); err != nil {
		return nil, err
	}
	if s.nats, err = s.up.Connect("bench"); err != nil {
		return nil, err
	}
	folder, err := writeProject(s.dir, benchProject)
	if err != nil {
		return nil, err
	}
	return s, deploy(ctx, s.api, s.project, folder)
}

func deploy(ctx context.Context, api *client.Client, project, folder string) error {
	return deployAs(ctx, api, wire.DeployCreate, project, folder)
}

func upgrade(ctx context.Context, api *client.Client, project, folder string) error {
	return deployAs(ctx, api, wire.DeployUpgrade, project, folder)
}

func deployAs(ctx context.Context, api *client.Client, mode wire.DeploymentMode, project, folder string) error {
	b, err := bundle.Pack(folder)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if _, err := api.PutBundle(ctx, b.Digest, b.Size, b.Open); err != nil {
		return err
	}
	version, err := api.Deploy(ctx, project, wire.DeploymentDefinition{Mode: mode, Bundle: b.Digest})
	if err != nil {
		return err
	}
	_, err = api.AwaitDeployment(ctx, project, version.VersionID, func(string) {})
	return err
}

// python is the interpreter of the environment that the project was given.
func (s *system) python() (string, error) {
	found, err := filepath.Glob(filepath.Join(s.up.DataDir, "builds", "environments", "*", "bin", "python"))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("the project's Python environment was not found below %s", s.up.DataDir)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

func (s *system) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if s.up != nil {
		if err := s.up.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench: stop the system:", err)
		}
	}
	_ = os.RemoveAll(s.dir)
}
