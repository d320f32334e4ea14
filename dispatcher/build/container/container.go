// Package container prepares versions as container images. The build of an image is a
// worker itself: it runs on the provisioner that its result will run on, in the base
// image, and so installs what is right for both.
//
//  1. The base, by digest, goes into the repository of this installation, and on top
//     of it a layer with this program: the image that the build runs in. Both are made
//     once, and found again by what they are made of.
//  2. The order is stored (streams/builds.go) and the worker launched, with a ticket
//     that is good for this one attempt.
//  3. The worker (package images/builder) fetches the order from a gateway, pushes the
//     image and reports. It tells its progress on the way.
//
// Who waits for the report holds a claim on the version. Where it dies, the next
// holder begins anew, and the earlier attempt is over: its ticket opens nothing.
package container

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/images"
	"multinode/images/order"
	"multinode/streams"
)

// Options of New. Only those that say so are optional.
type Options struct {
	Store       *streams.Store
	Provisioner provision.Provisioner
	Images      *images.Client
	// Repository is where images are kept, as this process and the engine call it.
	Repository string
	// BuildRepository is what builds call it; optional where that is the same.
	// BuildInsecure allows them HTTP without TLS to it.
	BuildRepository string
	BuildInsecure   bool
	// Credentials are what builds need for their repository.
	Credentials func(ctx context.Context) (map[string]order.Credential, error)
	// Base is the image to build on. "{version}" in it stands for the version of
	// Python. Optional: the slim images of python.
	Base string
	// Platform is that of the workers, such as images.LinuxAMD64.
	Platform string
	// Program is the file of this program for the platform, linked statically.
	Program string
	// URL is where builds reach a gateway.
	URL string
	// Environment is for builds: how pip and the gateway are reached.
	Environment map[string]string
	// CPU and MemoryGiB are the size of a build.
	CPU, MemoryGiB float64
	// Dir is for temporary files.
	Dir string
	// Retain removes the images from the repository that are not among these digests;
	// optional: somebody else sees to that. RetainHere does so with copies that this
	// machine has, by references; optional. It returns false where one is in use still.
	Retain     func(digests []string) error
	RetainHere func(ctx context.Context, repository string, references []string) (bool, error)
	Logger     *slog.Logger
}

// DefaultOptions has the sizes.
func DefaultOptions() Options {
	return Options{CPU: 1, MemoryGiB: 2, Logger: slog.New(slog.DiscardHandler)}
}

// Workshop builds images. Its methods may be called concurrently.
type Workshop struct {
	options Options
	log     *slog.Logger
	program string // the digest of the program
	// These are the constants but in tests.
	launchTime, startPause time.Duration

	mu      sync.Mutex
	running map[string]chan provision.Exit // by attempt
	// fresh are images that may not be in their version yet, by version.
	fresh map[streams.BuildKey][]string

	// using is held for reading by builds, for writing by Keep.
	using sync.RWMutex
	bases bases
}

// New checks the program. It talks to nobody.
func New(o Options) (*Workshop, error) {
	if o.BuildRepository == "" {
		o.BuildRepository = o.Repository
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	program, err := checkProgram(o.Program, o.Platform)
	if err != nil {
		return nil, err
	}
	return &Workshop{
		options: o, log: o.Logger, program: program, launchTime: launchTime, startPause: startPause,
		running: map[string]chan provision.Exit{}, fresh: map[streams.BuildKey][]string{},
	}, nil
}

// Result of Prepare.
type Result struct {
	Functions []multinode.FunctionSpec
	// Images are those of multinode.Version.Built.
	Images map[string]string
}

// Prepare builds the images of a version: one, and one more for each image that a
// function names for itself. The caller holds a claim on the version meanwhile, and
// ends ctx where that is lost. An error is a *build.Failure where the project is at
// fault, and streams.ErrNotFound where its code is gone.
func (w *Workshop) Prepare(ctx context.Context, v multinode.Version, tell func(line string)) (Result, error) {
	w.using.RLock()
	defer w.using.RUnlock()
	base, err := w.baseFor(v)
	if err != nil {
		return Result{}, projectFault(err)
	}
	if there, err := w.options.Store.HasBundle(ctx, v.Bundle); err != nil {
		return Result{}, err
	} else if !there {
		return Result{}, fmt.Errorf("the code of version %s: %w", v.ID, streams.ErrNotFound)
	}
	functions, image, err := w.build(ctx, v, base, tell)
	if err != nil {
		return Result{}, err
	}
	result := Result{Functions: functions, Images: map[string]string{"": image}}
	for _, f := range functions {
		if _, done := result.Images[f.Image]; done {
			continue
		}
		tell(fmt.Sprintf("Building on %s for the function %s", f.Image, f.Name))
		if _, result.Images[f.Image], err = w.build(ctx, v, named{f.Image, true}, tell); err != nil {
			return Result{}, err
		}
	}
	return result, nil
}

// Exited hears of the end of every worker, and tells whether it was a build's.
func (w *Workshop) Exited(exit provision.Exit) bool {
	if !isBuild(exit.ExecutionID) {
		return false
	}
	w.mu.Lock()
	ended := w.running[exit.ExecutionID]
	w.mu.Unlock()
	select {
	case ended <- exit:
	default: // it is nobody's, or was told before
	}
	return true
}

// Wanted tells of a worker whether it is a build's, and then, whether anybody waits
// for it.
func (w *Workshop) Wanted(ctx context.Context, worker provision.Worker) (ours, wanted bool, err error) {
	if !isBuild(worker.ExecutionID) {
		return false, false, nil
	}
	w.mu.Lock()
	_, here := w.running[worker.ExecutionID]
	w.mu.Unlock()
	if here {
		return true, true, nil
	}
	k, err := streams.ParseBuildKey(worker.ExecutionKey)
	if err != nil {
		return true, false, nil //nolint:nilerr // cut off before anything of it was stored
	}
	build, err := w.options.Store.Build(ctx, k)
	if errors.Is(err, streams.ErrNotFound) {
		return true, false, nil
	}
	return true, err != nil || build.Attempt == worker.ExecutionID && time.Now().Before(build.Until), err
}
