package up

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"multinode/dispatcher/build/container"
	"multinode/dispatcher/provision/docker"
	"multinode/internal/forward"
)

// Docker says which engine runs workers, and how much they may take of it.
type Docker struct {
	// Host is where the engine listens; empty means what DOCKER_HOST says, else the
	// default socket.
	Host string
	// Network is the bridge of the workers; empty means "multinode". It is made where
	// it is missing.
	Network string
	// CPUs and MemoryGiB are what all workers may take together; 0 means no limit.
	CPUs, MemoryGiB float64
}

// docker opens a Docker engine, and what its containers need of this machine.
func (s *System) docker(ctx context.Context, c core, d Dispatch, log *slog.Logger) (compute, error) {
	repository, err := s.repository(ctx, d.Containers, nil, log)
	if err != nil {
		return compute{}, err
	}
	options := docker.DefaultOptions()
	options.Host, options.Namespace, options.Network = d.Docker.Host, c.store.Installation(), cmp.Or(d.Docker.Network, options.Network)
	options.MaxWorkers, options.CPUs, options.MemoryGiB = d.MaxWorkers, d.Docker.CPUs, d.Docker.MemoryGiB
	options.Logger = log
	options.Login = func(ctx context.Context, reference string) (docker.Login, error) {
		login, err := repository.client.Login(ctx, reference)
		return docker.Login(login), err
	}
	provisioner, err := docker.New(ctx, options)
	if err != nil {
		return compute{}, err
	}
	s.onEnd("provisioner", func(context.Context) error { return provisioner.Close() })
	b := bridge{system: s, log: log, ports: map[string]string{}}
	if err := b.open(provisioner); err != nil {
		return compute{}, err
	}
	result := compute{provisioner: provisioner}
	if result.apiURL, err = b.reach(ctx, d.APIURL); err != nil {
		return compute{}, err
	}
	if result.natsURL, err = b.reach(ctx, d.WorkerNATSURL); err != nil {
		return compute{}, err
	}
	inside := repository.name
	if repository.local() {
		if inside, err = b.reachAddress(ctx, repository.name); err != nil {
			return compute{}, err
		}
	}
	workshop, err := s.workshop(c, d, repository, inside, result.apiURL, log)
	if err != nil {
		return compute{}, err
	}
	workshop.Provisioner, workshop.Platform, workshop.RetainHere = provisioner, provisioner.Platform(), provisioner.RetainImages
	result.images, err = container.New(workshop)
	return result, err
}

// bridge lets containers reach what listens on this machine's loopback, on the address
// that the machine has in their network, and there only.
type bridge struct {
	system  *System
	log     *slog.Logger
	address string // empty where the engine lets them reach the loopback by itself
	network netip.Prefix
	// ports are the targets that are passed on to, by port.
	ports map[string]string
}

func (b *bridge) open(p *docker.Provisioner) (err error) {
	address, network := p.HostAddress()
	if b.address = address; address == "" {
		return nil
	}
	if b.network, err = netip.ParsePrefix(network); err != nil {
		return fmt.Errorf("the network of the workers: %w", err)
	}
	return nil
}

// reach returns the URLs, separated by commas, as containers reach them.
func (b *bridge) reach(ctx context.Context, urls string) (string, error) {
	all := strings.Split(urls, ",")
	for i, text := range all {
		u, err := url.Parse(strings.TrimSpace(text))
		if err != nil {
			return "", fmt.Errorf("the address %q: %w", text, err)
		}
		if !loopback(u.Hostname()) {
			continue
		}
		if u.Host, err = b.reachAddress(ctx, u.Host); err != nil {
			return "", err
		}
		all[i] = u.String()
	}
	return strings.Join(all, ","), nil
}

// reachAddress returns HOST:PORT, with whatever follows it, as containers reach it.
func (b *bridge) reachAddress(ctx context.Context, address string) (string, error) {
	hostPort, rest, more := strings.Cut(address, "/")
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return "", fmt.Errorf("the address %q has no port: %w", address, err)
	}
	if more {
		rest = "/" + rest
	}
	inside := net.JoinHostPort(docker.HostName, port) + rest
	if _, done := b.ports[port]; done || b.address == "" {
		return inside, nil
	}
	if b.system.everywhere[port] {
		return inside, nil // it listens on that address, too
	}
	// The same port there: workers find it again after a restart, and at the other
	// dispatchers of this engine.
	f, err := forward.Listen(ctx, net.JoinHostPort(b.address, port), hostPort, b.network, b.log)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", fmt.Errorf("containers could not reach %s of this machine, as the port is taken on %s: stop what listens there. Where that is the same program, on all addresses, have it listen on loopback only or, unless it is the registry of images, give its address as %s: %w", hostPort, b.address, inside, err)
	}
	if err != nil {
		return "", fmt.Errorf("containers could not reach %s of this machine: %w", hostPort, err)
	}
	b.ports[port] = hostPort
	b.system.onEnd("way of containers to "+hostPort, func(context.Context) error { return f.Close() })
	b.system.run("way of containers to "+hostPort, func(ctx context.Context) error {
		unhook := context.AfterFunc(ctx, func() { _ = f.Close() })
		defer unhook()
		return f.Serve()
	})
	return inside, nil
}
