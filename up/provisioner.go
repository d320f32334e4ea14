package up

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"multinode/dispatcher"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/process"
)

// The kinds of compute.
const (
	ProcessProvisioner = "process"
	DockerProvisioner  = "docker"
	FargateProvisioner = "fargate"
)

// compute is where workers run, and what prepares versions for it: one of builder
// and images.
type compute struct {
	provisioner provision.Provisioner
	builder     dispatcher.Builder
	images      dispatcher.Images
	// apiURL and natsURL are how workers reach the system.
	apiURL, natsURL string
}

// compute opens the compute that the options name.
func (s *System) compute(ctx context.Context, c core, d Dispatch, ca string, log *slog.Logger) (compute, error) {
	switch d.Provisioner {
	case DockerProvisioner:
		return s.docker(ctx, c, d, log)
	case FargateProvisioner:
		return s.fargate(ctx, c, d, ca, log)
	}
	return s.processes(d, log)
}

func (s *System) processes(d Dispatch, log *slog.Logger) (compute, error) {
	options := process.DefaultOptions(s.DataDir)
	options.Command, options.MaxWorkers, options.Logger = d.Worker, d.MaxWorkers, log
	provisioner, err := process.New(options)
	if err != nil {
		return compute{}, err
	}
	s.onEnd("provisioner", func(context.Context) error { return provisioner.Close() })
	builder, err := build.New(build.Options{
		Dir: filepath.Join(s.DataDir, "builds"), Environments: d.Environments, Python: d.Python, Logger: log,
	})
	return compute{provisioner: provisioner, builder: builder, apiURL: d.APIURL, natsURL: d.WorkerNATSURL}, err
}

// checkProvisioner finds what does not fit the kind of compute.
func (d Dispatch) checkProvisioner() error {
	var errs []error
	switch d.Provisioner {
	case "", ProcessProvisioner:
		if d.Containers != (Containers{}) {
			errs = append(errs, errors.New("there are options for containers, and the provisioner is neither docker nor fargate"))
		}
	case DockerProvisioner:
	case FargateProvisioner:
		errs = append(errs, d.Fargate.check(d.Containers))
	default:
		errs = append(errs, fmt.Errorf("there is no provisioner %q: choose process, docker or fargate", d.Provisioner))
	}
	if d.Provisioner != DockerProvisioner && d.Docker != (Docker{}) {
		errs = append(errs, errors.New("there are options for Docker, and the provisioner is not docker"))
	}
	if d.Provisioner != FargateProvisioner && d.Fargate != (Fargate{}) {
		errs = append(errs, errors.New("there are options for Fargate, and the provisioner is not fargate"))
	}
	errs = append(errs, d.Containers.check())
	if d.MaxWorkers < 0 || d.Docker.CPUs < 0 || d.Docker.MemoryGiB < 0 || d.Containers.BuildCPUs < 0 || d.Containers.BuildMemoryGiB < 0 {
		errs = append(errs, errors.New("a limit of workers is negative"))
	}
	return errors.Join(errs...)
}
