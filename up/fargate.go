package up

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"multinode"
	"multinode/dispatcher"
	"multinode/dispatcher/build"
	"multinode/dispatcher/build/container"
	"multinode/dispatcher/provision/fargate"
	"multinode/images"
	"multinode/images/builder"
)

// Fargate says where in AWS workers run. Credentials are found as all programs find
// them: variables, ~/.aws, or the role of the task that this runs in.
type Fargate struct {
	// Cluster is the ARN of the ECS cluster.
	Cluster string
	// Installation begins the names of the workers' task definitions, and tells them
	// from others in the cluster; empty means a name that is made once.
	Installation string
	// Subnets and SecurityGroups are those of the workers, several separated by
	// commas. PublicIP gives them addresses of their own.
	Subnets, SecurityGroups string
	PublicIP                bool
	// TaskRole is the ARN of the role that the user's code has; empty: none.
	// ExecutionRole is the one with which AWS pulls images and writes logs.
	TaskRole, ExecutionRole string
	// LogGroup gets what workers print; empty: nowhere.
	LogGroup string
	// QueueURL is the SQS queue of the tasks' changes; empty: they are looked at.
	QueueURL string
	// Spot prefers spare capacity. ARM64 is the kind of processor.
	Spot, ARM64 bool
	// StorageGiB is the disk of each worker, 21 to 200; 0 means the 20 that are free.
	StorageGiB int
	// LaunchRate is how many launches to ask for in a second; 0 means 19.5 of the 20
	// that an account may. Several dispatchers of an account share them.
	LaunchRate float64
}

// shared are the variables that all workers of this system have in common.
var shared = []string{dispatcher.EnvAPIURL, dispatcher.EnvAPICA, dispatcher.EnvNATSURL, dispatcher.EnvNATSCA, builder.CAVariable}

// fargate opens an ECS cluster.
func (s *System) fargate(ctx context.Context, c core, d Dispatch, ca string, log *slog.Logger) (compute, error) {
	f := d.Fargate
	o, err := fargate.Load(ctx, f.Cluster)
	if err != nil {
		return compute{}, err
	}
	o.Installation = cmp.Or(f.Installation, c.store.Installation())
	o.Subnets, o.SecurityGroups, o.AssignPublicIP = list(f.Subnets), list(f.SecurityGroups), f.PublicIP
	o.TaskRole, o.ExecutionRole, o.LogGroup, o.QueueURL = f.TaskRole, f.ExecutionRole, f.LogGroup, f.QueueURL
	o.Spot, o.ARM64, o.EphemeralStorageGiB = f.Spot, f.ARM64, f.StorageGiB
	o.MaxTasks, o.LaunchRate, o.Shared, o.Logger = d.MaxWorkers, cmp.Or(f.LaunchRate, o.LaunchRate), shared, log
	if o.Elsewhere() {
		if err := reachable(d); err != nil {
			return compute{}, err
		}
	}
	provisioner, err := fargate.New(ctx, o)
	if err != nil {
		return compute{}, err
	}
	s.onEnd("provisioner", func(context.Context) error { return provisioner.Close() })
	repository, err := s.repository(ctx, d.Containers, passwords(fargate.NewLogins(o)), log)
	if err != nil {
		return compute{}, err
	}
	workshop, err := s.workshop(c, d, repository, repository.name, d.APIURL, log)
	if err != nil {
		return compute{}, err
	}
	workshop.Provisioner, workshop.Platform = provisioner, images.LinuxAMD64
	if f.ARM64 {
		workshop.Platform = images.LinuxARM64
	}
	made, err := container.New(workshop)
	if err != nil {
		return compute{}, err
	}
	environment := map[string]string{dispatcher.EnvAPIURL: d.APIURL, dispatcher.EnvNATSURL: d.WorkerNATSURL, dispatcher.EnvNATSCA: ca}
	if apiCA := workshop.Environment[builder.CAVariable]; apiCA != "" {
		environment[dispatcher.EnvAPICA] = apiCA
	}
	return compute{
		provisioner: provisioner, apiURL: d.APIURL, natsURL: d.WorkerNATSURL,
		images: definedImages{made, provisioner, environment},
	}, nil
}

func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

func passwords(of *fargate.Logins) lookup {
	return func(ctx context.Context, host string) (images.Credential, bool, error) {
		user, password, ok, err := of.Login(ctx, host)
		return images.Credential{Username: user, Password: password}, ok, err
	}
}

// reachable finds addresses that tasks in AWS cannot reach.
func reachable(d Dispatch) error {
	for _, of := range []struct{ flag, addresses string }{{"--api-url", d.APIURL}, {"--worker-nats-url", d.WorkerNATSURL}} {
		for text := range strings.SplitSeq(of.addresses, ",") {
			if u, err := url.Parse(strings.TrimSpace(text)); err == nil && loopback(u.Hostname()) {
				return fmt.Errorf("tasks in AWS cannot reach %s: give the address at which they can with %s", text, of.flag)
			}
		}
	}
	if (repository{name: d.Containers.Repository}).local() {
		return fmt.Errorf("tasks in AWS cannot reach %s: give a repository that they can, such as one of Amazon ECR, with --repository", d.Containers.Repository)
	}
	return nil
}

// definedImages registers task definitions at deploy, and says what sizes cost more
// than was asked for.
type definedImages struct {
	*container.Workshop
	provisioner *fargate.Provisioner
	environment map[string]string
}

// Prepare implements dispatcher.Images.
func (d definedImages) Prepare(ctx context.Context, v multinode.Version, tell func(string)) (container.Result, error) {
	result, err := d.Workshop.Prepare(ctx, v, tell)
	if err != nil {
		return result, err
	}
	for _, f := range result.Functions {
		if _, err := fargate.SizeFor(f.CPU, f.MemoryGiB); err != nil {
			return result, &build.Failure{Detail: "the function " + f.Name + " cannot run on Fargate: " + err.Error()}
		}
		if more := fargate.RoundedUp(f.CPU, f.MemoryGiB); more != "" {
			tell("The function " + f.Name + ": " + more)
		}
	}
	for _, image := range result.Images {
		if err := d.provisioner.Prepare(ctx, image, d.environment); err != nil {
			return result, fmt.Errorf("registering a task definition: %w", err)
		}
	}
	return result, nil
}

// check finds what is missing of the options of Fargate.
func (f Fargate) check(c Containers) error {
	var errs []error
	for _, of := range []struct{ flag, value string }{
		{"--fargate-cluster", f.Cluster}, {"--fargate-subnets", f.Subnets}, {"--repository", c.Repository},
	} {
		if of.value == "" {
			errs = append(errs, fmt.Errorf("%s is not set, which workers on Fargate need", of.flag))
		}
	}
	if f.LaunchRate < 0 || f.LaunchRate > 20 {
		errs = append(errs, errors.New("--fargate-launch-rate has to be above 0, and at most the 20 launches a second that AWS allows"))
	}
	return errors.Join(errs...)
}
