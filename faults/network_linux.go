package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sync/errgroup"
)

// network is a switch of the machine, with a host of its own for each NATS server,
// so that one of them can be cut off.
type network struct {
	name   string
	prefix string // of addresses: three numbers
	hosts  int
}

var errNoNetwork = errors.New("networks of one's own take Linux, root and the program ip")

// newNetwork makes a network of so many hosts.
func newNetwork(ctx context.Context, hosts int) (*network, error) {
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		return nil, errNoNetwork
	}
	n := &network{
		name: fmt.Sprintf("mnf%04x", ports.next(1<<16)), hosts: hosts,
		prefix: fmt.Sprintf("10.%d.%d", 100+ports.next(100), ports.next(256)),
	}
	steps := []string{
		"link add " + n.name + " type bridge",
		"addr add " + n.prefix + ".1/24 dev " + n.name,
		"link set " + n.name + " up",
	}
	for i := range hosts {
		space, link := n.space(i), n.link(i)
		steps = append(steps,
			"netns add "+space,
			"link add "+link+" type veth peer name eth0 netns "+space,
			"link set "+link+" master "+n.name,
			"link set "+link+" up",
			"-n "+space+" addr add "+n.address(i)+"/24 dev eth0",
			"-n "+space+" link set eth0 up",
			"-n "+space+" link set lo up",
		)
	}
	for _, step := range steps {
		if err := ip(ctx, step); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", errNoNetwork, err), n.close(ctx))
		}
	}
	_ = n.admit(ctx, "-I") // where there is no firewall there is nothing to open
	return n, nil
}

func (n *network) space(i int) string   { return fmt.Sprintf("%s-%d", n.name, i) }
func (n *network) link(i int) string    { return fmt.Sprintf("%sh%d", n.name, i) }
func (n *network) address(i int) string { return fmt.Sprintf("%s.%d", n.prefix, 10+i) }

// on makes a command run on a host.
func (n *network) on(i int, c *command) {
	c.arguments = append([]string{"netns", "exec", n.space(i), c.path}, c.arguments...)
	c.path = "ip"
}

// cut takes a host from the network, or puts it back.
func (n *network) cut(ctx context.Context, i int, off bool) error {
	to := "up"
	if off {
		to = "down"
	}
	return ip(ctx, "link set "+n.link(i)+" "+to)
}

// admit lets the firewall pass what goes through the switch, or no longer: many
// machines drop what they forward.
func (n *network) admit(ctx context.Context, change string) error {
	return execute(ctx, "", "iptables", []string{change, "FORWARD", "-i", n.name, "-o", n.name, "-j", "ACCEPT"})
}

// close takes everything apart.
func (n *network) close(ctx context.Context) error {
	_ = n.admit(ctx, "-D")
	var all errgroup.Group
	for i := range n.hosts {
		all.Go(func() error { return ip(ctx, "netns del "+n.space(i)) })
	}
	return errors.Join(all.Wait(), ip(ctx, "link del "+n.name))
}

func ip(ctx context.Context, arguments string) error {
	return execute(ctx, "", "ip", strings.Fields(arguments))
}
