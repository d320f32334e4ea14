package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/docker/docker/client"

	"multinode"
	"multinode/dispatcher/provision"
)

// Kind is the kind in the handles of this package.
const Kind = "docker"

// ErrClosed is returned by calls that were under way when Close was called.
var ErrClosed = errors.New("the docker provisioner is closed")

var _ provision.Provisioner = (*Provisioner)(nil)

// Provisioner runs workers as containers of one engine. See New.
type Provisioner struct {
	options  Options
	engine   *client.Client
	self     string // names this provisioner among those of the place
	place    string
	desktop  bool // the engine is in a virtual machine
	platform string
	cpus     float64 // what the engine has
	networks networks

	exits chan provision.Exit
	life  context.Context //nolint:containedctx // ends with Close
	end   context.CancelCauseFunc
	tasks sync.WaitGroup
	turns turns
	pulls pulls
	room  room

	mu      sync.Mutex
	closed  bool
	workers map[string]*worker // by execution ID, until stopped
}

// New connects to the engine, makes the network where it is missing, finds the
// workers and watches them. It fails where no engine answers.
func New(ctx context.Context, options Options) (*Provisioner, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	with := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if options.Host != "" {
		with = append(with, client.WithHost(options.Host))
	}
	engine, err := client.NewClientWithOpts(with...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the Docker engine: %w", err)
	}
	p := &Provisioner{
		options: options, engine: engine, self: multinode.NewID("prv"),
		exits: make(chan provision.Exit, 64), workers: map[string]*worker{}, pulls: pulls{silence: pullSilence},
	}
	p.life, p.end = context.WithCancelCause(context.Background())
	if err := p.open(ctx); err != nil {
		p.end(ErrClosed)
		return nil, errors.Join(err, engine.Close())
	}
	p.tasks.Go(p.watch)
	p.tasks.Go(p.pruneVolumes) // beside it: an engine with many volumes takes its time
	return p, nil
}

func (p *Provisioner) open(ctx context.Context) error {
	info, err := p.engine.Info(ctx)
	if err != nil {
		return fmt.Errorf("no Docker engine answers at %s; start one, or say where it is by --docker-host or DOCKER_HOST: %w", p.engine.DaemonHost(), err)
	}
	p.cpus = float64(info.NCPU)
	network, err := p.network(ctx)
	if err != nil {
		return fmt.Errorf("making the network of the workers: %w", err)
	}
	p.platform = "linux/" + architecture(info.Architecture)
	p.desktop = info.OperatingSystem == "Docker Desktop"
	// Engines on machines that were cloned, or that share their keys, may have one
	// ID. A network has an ID of its own everywhere.
	sum := sha256.Sum256([]byte(info.ID + "\x00" + network.id + "\x00" + p.options.Namespace))
	p.place = Kind + "-" + hex.EncodeToString(sum[:16])
	_, err = p.List(ctx)
	return err
}

// Place implements provision.Provisioner. Engine, network and namespace make the
// place.
func (p *Provisioner) Place() string { return p.place }

// HostName is what workers call the engine's host.
const HostName = "host.docker.internal"

// HostAddress is the address of the engine's host as workers see it. What they are to
// reach there has to listen on it, and may turn away who is not in the network. Both
// are empty for an engine that lets them reach the host's loopback by HostName.
func (p *Provisioner) HostAddress() (address, network string) {
	if p.desktop {
		return "", ""
	}
	p.networks.mu.Lock()
	defer p.networks.mu.Unlock()
	return p.networks.known.gateway, p.networks.known.subnet
}

// Platform is that of the engine, such as "linux/amd64".
func (p *Provisioner) Platform() string { return p.platform }

// architecture turns the kernel's name for it into that of images.
func architecture(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return machine
}

// Exits implements provision.Provisioner.
func (p *Provisioner) Exits() <-chan provision.Exit { return p.exits }

// Close implements provision.Provisioner.
func (p *Provisioner) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	p.end(ErrClosed)
	p.tasks.Wait()
	close(p.exits)
	return p.engine.Close()
}

// List implements provision.Provisioner.
func (p *Provisioner) List(ctx context.Context) ([]provision.Worker, error) {
	containers, err := p.containers(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing workers: %w", failure(err))
	}
	workers := make([]provision.Worker, 0, len(containers))
	for _, c := range containers {
		workers = append(workers, provision.Worker{
			ExecutionID:  c.execution(),
			ExecutionKey: c.Labels[labelKey],
			Handle:       p.handle(c.execution()),
			Started:      started(c.State),
			Alive:        alive(c.State),
		})
		if started(c.State) {
			p.meet(c.execution(), c.ID)
		}
	}
	return workers, nil
}

// until returns a context that also ends with Close.
func (p *Provisioner) until(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(p.life, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

func (p *Provisioner) name(id string) string { return "multinode-" + p.options.Namespace + "-" + id }

func (p *Provisioner) handle(id string) multinode.Worker {
	return multinode.Worker{Kind: Kind, ID: p.name(id)}
}
