package main

import (
	"strings"

	"github.com/spf13/cobra"

	"multinode/up"
)

// computeFlags choose where workers run.
func computeFlags(cmd *cobra.Command, o *up.Dispatch) {
	f := cmd.Flags()
	f.StringVar(&o.Provisioner, "provisioner", up.ProcessProvisioner, "what runs workers: process, docker or fargate")
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
	fargateFlags(cmd, &o.Fargate)
}

// fargateFlags say where in AWS workers run.
func fargateFlags(cmd *cobra.Command, o *up.Fargate) {
	f := cmd.Flags()
	f.StringVar(&o.Cluster, "fargate-cluster", "", "`ARN` of the ECS cluster; credentials are found as by other programs for AWS")
	f.StringVar(&o.Installation, "fargate-installation", "", "name that begins those of the workers' task definitions (default: one that is made)")
	f.StringVar(&o.Subnets, "fargate-subnets", "", "subnets of the workers, separated by commas")
	f.StringVar(&o.SecurityGroups, "fargate-security-groups", "", "security groups of the workers, separated by commas")
	f.BoolVar(&o.PublicIP, "fargate-public-ip", false, "give workers public addresses, for subnets without a NAT gateway")
	f.StringVar(&o.TaskRole, "fargate-task-role", "", "`ARN` of the role that functions' code has (default: none)")
	f.StringVar(&o.ExecutionRole, "fargate-execution-role", "", "`ARN` of the role with which AWS pulls images and writes logs")
	f.StringVar(&o.LogGroup, "fargate-log-group", "", "CloudWatch log group of what workers print (default: none)")
	f.StringVar(&o.QueueURL, "fargate-queue-url", "", "`URL` of the SQS queue with the task state changes (default: tasks are looked at)")
	f.BoolVar(&o.Spot, "fargate-spot", false, "prefer Spot capacity, which is cheaper and may be taken back")
	f.BoolVar(&o.ARM64, "fargate-arm64", false, "run on arm64 instead of amd64; --image-program has to be made for it")
	f.IntVar(&o.StorageGiB, "fargate-storage", 0, "GiB of disk of each worker, 21 to 200 (default: 20, which cost nothing)")
	f.Float64Var(&o.LaunchRate, "fargate-launch-rate", 0, "launches a second, of the 20 that an account may; dispatchers share them (default: 19.5)")
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
