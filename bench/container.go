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
	"time"

	"multinode/client"
	"multinode/images/imagestest"
	"multinode/up"
)

const (
	coldStarts  = 15
	codeDeploys = 5
)

// containerProject says when its first line ran. It gets a whole CPU: with less, both
// figures are those of a throttled Python.
const containerProject = `
import time
from multinode import Multinode

mn = Multinode()

@mn.function(cpu=1, memory="512 MiB")
def now():
    return time.time_ns()
`

// measureContainer times from before the start request to the first line of the user's
// function, in a fresh container; the floor is docker run of the same image with the
// same limits, to the first line of a Python that imports jsonpickle. Then it times
// deployments of changed code.
func measureContainer(ctx context.Context, r *report) error {
	if err := exec.CommandContext(ctx, "docker", "version").Run(); err != nil {
		return errors.New("there is no Docker engine: `docker version` fails; start one")
	}
	s, stop, err := startContainers(ctx)
	if err != nil {
		return err
	}
	defer stop()
	image, err := s.image()
	if err != nil {
		return err
	}
	now := client.Function{Project: s.project, Version: "latest", Name: "now"}
	var got, floor samples
	for i := range coldStarts + 1 {
		begun := time.Now()
		done, err := s.run(ctx, now) // the first one pulls the image
		if err != nil {
			return err
		}
		nanoseconds, err := strconv.ParseInt(*done.Output, 10, 64)
		if err != nil {
			return err
		}
		got = append(got, time.Unix(0, nanoseconds).Sub(begun))
		begun = time.Now()
		bare, err := dockerRun(ctx, image)
		if err != nil {
			return err
		}
		floor = append(floor, bare.Sub(begun))
		if i == 0 {
			got, floor = nil, nil
		}
	}
	r.against("start to first line", got, floor, 1.3)
	deploys, err := repeat(codeDeploys, func() error { return s.redeploy(ctx) })
	if err != nil {
		return err
	}
	r.line("%-34s p50 %8s  (aim at most 3 s)", "deployment of changed code", short(deploys.quantile(0.5)))
	return nil
}

// startContainers is startSystem with containers, on a base of this machine's Python.
func startContainers(ctx context.Context) (s *system, stop func(), err error) {
	s = &system{project: "bench"}
	if s.dir, err = os.MkdirTemp("", "multinode-bench-"); err != nil {
		return nil, nil, err
	}
	stop = s.close
	defer func() {
		if err != nil {
			stop()
		}
	}()
	host, end, err := imagestest.Serve(filepath.Join(s.dir, "base"))
	if err != nil {
		return nil, nil, err
	}
	options := up.DefaultOptions(filepath.Join(s.dir, "data"))
	options.Provisioner, options.Docker.Network = up.DockerProvisioner, "multinode-bench"
	stop = func() {
		defer end()
		s.undeploy()
		s.close()
		_ = exec.CommandContext(context.WithoutCancel(ctx), "docker", "network", "rm", options.Docker.Network).Run()
	}
	base, err := imagestest.PythonBase(ctx, s.dir)
	if err != nil {
		return nil, nil, err
	}
	options.Containers.BaseImage = host + "/python:3"
	if err := imagestest.Store(ctx, options.Containers.BaseImage, base); err != nil {
		return nil, nil, err
	}
	if options.Containers.Program, err = imagestest.Program(ctx, s.dir); err != nil {
		return nil, nil, err
	}
	if s.up, err = up.Start(ctx, options); err != nil {
		return nil, nil, err
	}
	if s.api, err = client.New(client.Options{URL: s.up.URL, Key: s.up.Key}); err != nil {
		return nil, nil, err
	}
	folder, err := writeProject(s.dir, containerProject)
	if err != nil {
		return nil, nil, err
	}
	return s, stop, deploy(ctx, s.api, s.project, folder)
}

// image is the only one of the version that there is so far.
func (s *system) image() (string, error) {
	tags, err := filepath.Glob(filepath.Join(s.up.DataDir, "images", "repositories", "multinode", "code-*@tag"))
	if err == nil && len(tags) != 1 {
		err = fmt.Errorf("%d images were found below %s", len(tags), s.up.DataDir)
	}
	if err != nil {
		return "", err
	}
	digest, err := os.ReadFile(tags[0])
	if err != nil {
		return "", err
	}
	port, err := os.ReadFile(filepath.Join(s.up.DataDir, "registry-port"))
	return "127.0.0.1:" + strings.TrimSpace(string(port)) + "/multinode@" + string(digest), err
}

// dockerRun returns when the first line ran in a container like a worker's.
func dockerRun(ctx context.Context, image string) (time.Time, error) {
	c := exec.CommandContext(ctx, "docker", "run", "--rm", "--init", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL",
		"--security-opt=no-new-privileges", "--cpus=1", "--memory=512m", "--network=multinode-bench", "-v=/app",
		"--entrypoint=python", image, "-c", "import jsonpickle, time; print(time.time_ns())")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("docker run: %w", err)
	}
	nanoseconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return time.Unix(0, nanoseconds), err
}

// redeploy deploys the project with one more line in it.
func (s *system) redeploy(ctx context.Context) error {
	folder, err := writeProject(s.dir, containerProject+"# "+time.Now().String()+"\n")
	if err != nil {
		return err
	}
	return upgrade(ctx, s.api, s.project, folder)
}

// undeploy has the engine drop the images.
func (s *system) undeploy() {
	if s.api == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := s.api.DeleteProject(ctx, s.project); err != nil {
		return
	}
	for ctx.Err() == nil {
		port, _ := os.ReadFile(filepath.Join(s.up.DataDir, "registry-port"))
		out, err := exec.CommandContext(ctx, "docker", "images", "-q", "127.0.0.1:"+strings.TrimSpace(string(port))+"/multinode").Output()
		if err != nil || len(out) == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
