package fargate

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/jonboulle/clockwork"
)

// Options of a Provisioner. Start from DefaultOptions.
type Options struct {
	// AWS is where and as whom to call the services: config.LoadDefaultConfig.
	AWS aws.Config
	// Cluster is the ARN of an ECS cluster with the capacity providers FARGATE and,
	// for Spot, FARGATE_SPOT.
	Cluster string
	// Installation tells the workers of this system from those of others in the
	// cluster: up to 64 letters, digits, '-' and '_'.
	Installation string
	// Subnets and SecurityGroups are those of the tasks. AssignPublicIP is needed in
	// subnets without a NAT gateway or endpoints.
	Subnets, SecurityGroups []string
	AssignPublicIP          bool
	// TaskRole is the ARN of the role that the user's code has; empty: none.
	// ExecutionRole is the one with which the service pulls images and writes logs.
	TaskRole, ExecutionRole string
	// LogGroup is the CloudWatch log group for what runners print; empty: none.
	LogGroup string
	// Spot launches on FARGATE_SPOT, and on FARGATE where that has no capacity.
	Spot bool
	// ARM64 runs images for arm64 instead of amd64.
	ARM64 bool
	// EphemeralStorageGiB is from 21 to 200; 0 means the 20 GiB that cost nothing.
	EphemeralStorageGiB int
	// StopTimeout is how long a task has between SIGTERM and SIGKILL: 2 s to 2 min.
	StopTimeout time.Duration
	// Shared names variables of Intent.Environment that have the same values for
	// all workers: they go into the task definition, because what goes into a task
	// of its own is limited to 8,192 characters.
	Shared []string
	// QueueURL is the SQS queue with the cluster's task state changes; empty: none.
	// Without it the end of a worker is noticed by the sweep alone.
	QueueURL string
	// MaxTasks is how many tasks may live at a time; 0 means no limit but AWS's.
	MaxTasks int
	// LaunchRate and ReadRate are how many launches, and reads, to ask for in a
	// second; the account's limits are 20 each.
	LaunchRate, ReadRate float64
	// LaunchPatience is how long a launch waits for its turn before it is put off,
	// with a reason that its users see.
	LaunchPatience time.Duration
	// CallTimeout bounds a call of AWS, one that waits for messages included, which
	// takes 20 seconds by itself: a connection that broke in silence must not make the
	// provisioner deaf.
	CallTimeout time.Duration
	// Sweep is how often the tasks are looked at; 0 means every 5 seconds, or every
	// 20 with a queue, which tells sooner. With thousands of tasks it is less often:
	// a third of the reads are for it.
	Sweep time.Duration
	// StartDeadline is how long a task may take to run. Later it is stopped.
	StartDeadline time.Duration
	Clock         clockwork.Clock
	Logger        *slog.Logger
}

// DefaultOptions returns the options for workers in the cluster with this ARN.
func DefaultOptions(config aws.Config, cluster string) Options {
	return Options{
		AWS:            config,
		Cluster:        cluster,
		Installation:   "multinode",
		StopTimeout:    2 * time.Minute,
		LaunchRate:     19.5,
		ReadRate:       15,
		LaunchPatience: time.Second,
		CallTimeout:    40 * time.Second,
		StartDeadline:  4 * time.Minute,
		Clock:          clockwork.NewRealClock(),
		Logger:         slog.New(slog.DiscardHandler),
	}
}

var (
	clusterPattern      = regexp.MustCompile(`^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:cluster/.+$`)
	installationPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

func (o Options) check() error {
	var errs []error
	check := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	check(clusterPattern.MatchString(o.Cluster), "Cluster is not the ARN of an ECS cluster")
	check(installationPattern.MatchString(o.Installation), "Installation must have 1 to 64 letters, digits, '-' and '_'")
	check(len(o.Subnets) >= 1 && len(o.Subnets) <= 16, "there must be 1 to 16 Subnets")
	check(len(o.SecurityGroups) <= 5, "there may be at most 5 SecurityGroups")
	check(o.LogGroup == "" || o.ExecutionRole != "", "LogGroup needs an ExecutionRole")
	check(o.EphemeralStorageGiB == 0 || o.EphemeralStorageGiB >= 21 && o.EphemeralStorageGiB <= 200, "EphemeralStorageGiB must be 0, or 21 to 200")
	check(o.StopTimeout >= 2*time.Second && o.StopTimeout <= 2*time.Minute, "StopTimeout must be from 2 seconds to 2 minutes")
	check(o.MaxTasks >= 0, "MaxTasks is negative")
	check(o.LaunchRate > 0 && o.ReadRate > 0, "LaunchRate and ReadRate must be above 0")
	check(o.LaunchPatience > 0 && o.CallTimeout > 0 && o.Sweep >= 0 && o.StartDeadline > 0, "LaunchPatience, CallTimeout and StartDeadline must be above 0, and Sweep not below")
	check(o.Clock != nil && o.Logger != nil, "Clock or Logger is nil")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("options of the Fargate provisioner: %w", err)
	}
	return nil
}
