package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// natsServer builds the NATS server of go.mod, once.
func (w *workshop) natsServer(ctx context.Context) (string, error) {
	path := filepath.Join(filepath.Dir(w.environments), "nats-server")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, gobuild(ctx, w.root, []string{"build", "-o", path, "github.com/nats-io/nats-server/v2"})
}

// storeFolder is the line of a configuration that says where a server keeps its
// data; servers that share a machine each need another.
var storeFolder = regexp.MustCompile(`"([^"]*)/store(/accounts)?"`)

// gateways is how many there are, where they run by themselves.
const gateways = 2

// several prepares gateways and dispatchers by themselves, on so many NATS servers.
func (w *workshop) several(ctx context.Context, brokers, dispatchers int) func(dir string) (*system, error) {
	return w.separate(ctx, brokers, dispatchers, false)
}

// lossy prepares them on one, messages to and from which may be lost.
func (w *workshop) lossy(ctx context.Context, dispatchers int) func(dir string) (*system, error) {
	return w.separate(ctx, 1, dispatchers, true)
}

func (w *workshop) separate(ctx context.Context, brokers, dispatchers int, lossy bool) func(dir string) (*system, error) {
	return func(dir string) (*system, error) {
		s := &system{authority: filepath.Join(dir, "nats", "authority.json")}
		urls, err := w.brokers(ctx, s, dir, brokers)
		if err != nil {
			return nil, err
		}
		if lossy {
			if s.messages, err = newMessages(ctx, s.brokers[0].listens); err != nil {
				return nil, err
			}
			urls = "nats://" + s.messages.address()
		}
		connection := []string{"--nats-url", urls, "--nats-creds", filepath.Join(dir, "nats", "control-plane.creds")}
		for i := range gateways {
			g, err := w.newServer(fmt.Sprintf("gateway%d", i+1), dir, append([]string{"gateway", "--drain", "0s"}, connection...)...)
			if err == nil {
				err = g.serveAPI()
			}
			if err != nil {
				return nil, err
			}
			s.gateways = append(s.gateways, g)
		}
		for i := range dispatchers {
			d, err := w.newServer(fmt.Sprintf("dispatcher%d", i+1), dir, append([]string{
				"dispatcher", "--authority", s.authority, "--api-url", s.gateways[0].URL,
			}, connection...)...)
			if err != nil {
				return nil, err
			}
			s.dispatchers = append(s.dispatchers, d)
		}
		return s, nil
	}
}

// brokers prepares the NATS servers and returns their URLs.
func (w *workshop) brokers(ctx context.Context, s *system, dir string, count int) (string, error) {
	path, err := w.natsServer(ctx)
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, "nats")
	arguments := []string{"nats-config", "--out", folder, "--store-dir", filepath.Join(dir, "store"), "--monitor-port", "0", "--json"}
	var urls []string
	if count > 1 {
		if s.network, err = newNetwork(ctx, count); err != nil {
			return "", err
		}
	}
	for i := range count {
		client, cluster, err := s.addresses(i)
		if err != nil {
			return "", err
		}
		arguments = append(arguments, "--server", client+cluster)
		urls = append(urls, "nats://"+client)
		b := &server{listens: client}
		b.command = command{
			name: fmt.Sprintf("NATS server %d", i+1), path: path, log: filepath.Join(dir, fmt.Sprintf("nats-%d.log", i+1)),
			arguments: []string{"-c", filepath.Join(folder, fmt.Sprintf("nats-%d.conf", i+1))},
		}
		if s.network != nil {
			s.network.on(i, &b.command)
		}
		s.brokers = append(s.brokers, b)
	}
	if err := execute(ctx, "", w.binary, arguments); err != nil {
		return "", err
	}
	for i := range count {
		if err := moveStore(filepath.Join(folder, fmt.Sprintf("nats-%d.conf", i+1)), i+1); err != nil {
			return "", err
		}
	}
	return strings.Join(urls, ","), nil
}

// addresses are where a NATS server listens: to clients, as HOST:PORT, and to the
// others, as :PORT.
func (s *system) addresses(i int) (client, cluster string, err error) {
	if s.network != nil {
		return s.network.address(i) + ":4222", ":6222", nil
	}
	client, err = freePort()
	return client, "", err
}

// moveStore gives a server a folder of its own.
func moveStore(path string, number int) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text = storeFolder.ReplaceAll(text, fmt.Appendf(nil, `"${1}/store%d${2}"`, number))
	return os.WriteFile(path, text, 0o600)
}
