package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
)

// bridge is the network of the workers.
type bridge struct{ id, gateway, subnet string }

// networks remembers it.
type networks struct {
	mu    sync.Mutex
	known bridge
}

// network returns the network, and makes it where it is missing.
func (p *Provisioner) network(ctx context.Context) (bridge, error) {
	p.networks.mu.Lock()
	defer p.networks.mu.Unlock()
	if p.networks.known.id != "" {
		return p.networks.known, nil
	}
	found, err := p.findNetwork(ctx)
	if err == nil && found == nil {
		var made network.CreateResponse
		made, err = p.engine.NetworkCreate(ctx, p.options.Network, network.CreateOptions{
			Driver: "bridge",
			Options: map[string]string{
				"com.docker.network.bridge.enable_icc": "false", // workers cannot reach each other
			},
			Labels: map[string]string{"multinode": "workers"},
		})
		// Somebody else may have made it meanwhile: all take the oldest.
		var again error
		if found, again = p.findNetwork(ctx); again != nil || found == nil {
			return bridge{}, errors.Join(err, again)
		}
		if err == nil && made.ID != found.ID {
			err = p.engine.NetworkRemove(ctx, made.ID)
		} else {
			err = nil
		}
	}
	if err != nil {
		return bridge{}, err
	}
	if found.Driver != "bridge" || found.Options["com.docker.network.bridge.enable_icc"] != "false" {
		return bridge{}, fmt.Errorf("the network %q is there, but workers could reach each other in it; remove it with `docker network rm %s`, and it is made anew", p.options.Network, p.options.Network)
	}
	for _, pool := range found.IPAM.Config {
		if pool.Gateway != "" {
			p.networks.known = bridge{id: found.ID, gateway: pool.Gateway, subnet: pool.Subnet}
			return p.networks.known, nil
		}
	}
	return bridge{}, fmt.Errorf("the network %q has no gateway", p.options.Network)
}

// forgetNetwork makes the next launch look for the network again.
func (p *Provisioner) forgetNetwork() {
	p.networks.mu.Lock()
	defer p.networks.mu.Unlock()
	p.networks.known = bridge{}
}

func (p *Provisioner) findNetwork(ctx context.Context) (*network.Summary, error) {
	all, err := p.engine.NetworkList(ctx, network.ListOptions{Filters: filters.NewArgs(filters.Arg("name", p.options.Network))})
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(n network.Summary) bool { return n.Name != p.options.Network }) // it finds parts of names
	if len(all) == 0 {
		return nil, nil
	}
	oldest := slices.MinFunc(all, func(a, b network.Summary) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return &oldest, nil
}
