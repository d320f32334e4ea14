package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"
)

// Options of a Provisioner. Start from DefaultOptions.
type Options struct {
	// Host is where the engine listens, such as unix:///var/run/docker.sock. Empty
	// means what DOCKER_HOST says, and else the default socket.
	Host string
	// Namespace keeps the workers of several installations on one engine apart.
	// Provisioners with the same engine and namespace share their workers.
	Namespace string
	// Network is the bridge that workers are on; it is made where it is missing.
	Network string
	// MaxWorkers, CPUs and MemoryGiB are what all workers that live may take
	// together; 0 means no limit. More is refused with NoCapacity.
	MaxWorkers      int
	CPUs, MemoryGiB float64
	// PIDs is how many processes and threads a worker may have.
	PIDs int64
	// User is who runs the workers of images that name no user, as uid:gid.
	User string
	// Login returns what a registry wants to know before it gives out an image; the
	// reference is that of the image. Nil means that no registry asks.
	Login func(ctx context.Context, reference string) (Login, error)
	// Resync is how often all containers are listed, events or not.
	Resync time.Duration
	// TakeOver is how long a container may be there without being started before
	// its launch counts as cut off.
	TakeOver time.Duration
	Logger   *slog.Logger
}

// Login is a user of a registry.
type Login struct{ Username, Password string }

// DefaultOptions returns the options for workers on this machine's engine.
func DefaultOptions() Options {
	return Options{
		Namespace: "default",
		Network:   "multinode",
		PIDs:      4096,
		User:      "65532:65532",
		Resync:    time.Minute,
		TakeOver:  5 * time.Second,
		Logger:    slog.New(slog.DiscardHandler),
	}
}

var word = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}$`)

func (o Options) check() error {
	var errs []error
	check := func(ok bool, message string) {
		if !ok {
			errs = append(errs, errors.New(message))
		}
	}
	check(word.MatchString(o.Namespace), "Namespace must be 1 to 63 letters, digits, '-' and '_'")
	check(word.MatchString(o.Network), "Network must be 1 to 63 letters, digits, '-' and '_'")
	check(o.MaxWorkers >= 0, "MaxWorkers is negative")
	check(o.CPUs >= 0, "CPUs is negative")
	check(o.MemoryGiB >= 0, "MemoryGiB is negative")
	check(o.PIDs > 0, "PIDs must be above 0")
	check(o.Resync > 0, "Resync must be above 0")
	check(o.TakeOver > 0, "TakeOver must be above 0")
	check(o.Logger != nil, "Logger is nil")
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("options of the docker provisioner: %w", err)
	}
	return nil
}
