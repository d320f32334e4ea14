package main

import (
	"strings"

	"github.com/spf13/cobra"

	"multinode/up"
)

// computeFlags choose where workers run.
func computeFlags(cmd *cobra.Command, o *up.Dispatch) {
	f := cmd.Flags()
	f.StringVar(&o.Provisioner, "provisioner", up.ProcessProvisioner, "what runs workers: process or docker")
	f.IntVar(&o.MaxWorkers, "max-workers", 0, "how many workers may run at a time, builds included; 0 for no limit")
	f.StringVar(&o.Docker.Host, "docker-host", "", "where the Docker engine listens (default: DOCKER_HOST, else its socket)")
	f.StringVar(&o.Docker.Network, "docker-network", "", "network of the containers, made where it is missing (default: multinode)")
	f.Float64Var(&o.Docker.CPUs, "docker-cpus", 0, "CPUs that all containers may take together; 0 for no limit")
	f.Var((*gib)(&o.Docker.MemoryGiB), "docker-memory", "memory that all containers may take together, as 16GiB (default: no limit)")
	f.StringVar(&o.APICA, "api-ca", "", "PEM file of the authorities by which containers know the API (default: those of their image)")
	f.StringVar(&o.Containers.Repository, "repository", "", "where images are kept, as registry.example/multinode (default: on this machine, by the server)")
	f.StringVar(&o.Containers.BaseImage, "base-image", "", "image that projects are built on; {version} in it is that of Python (default: python:{version}-slim)")
	f.StringVar(&o.Containers.Program, "image-program", "", "static multinode program for Linux that goes into images (default: this one)")
	f.Float64Var(&o.Containers.BuildCPUs, "build-cpus", 0, "CPUs of a container that makes an image (default: 1)")
	f.Var((*gib)(&o.Containers.BuildMemoryGiB), "build-memory", "memory of a container that makes an image (default: 2GiB)")
}

// gib is a number of GiB that is written as a size.
type gib float64

func (g *gib) String() string {
	s := size(float64(*g) * (1 << 30))
	return s.String()
}

func (g *gib) Set(text string) error {
	var s size
	if err := s.Set(strings.TrimSpace(text)); err != nil {
		return err
	}
	*g = gib(float64(s) / (1 << 30))
	return nil
}

func (g *gib) Type() string { return "size" }
