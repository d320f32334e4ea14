package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode/client"
	kept "multinode/internal/port"
)

// fleet is a NATS cluster with gateways and dispatchers, each a process.
type fleet struct {
	t                             *testing.T
	nats, gateways, dispatchers   []*process
	monitors, gatewayURLs         []string
	url, creds, authority, folder string
	balancer                      *balancer
	api                           *client.Client
}

const fleetKey = "the-key-of-the-fleet"

// site says what a fleet is made of.
type site struct {
	servers   int // of NATS
	processes int // dispatchers, and as many gateways
	gateways  int // if there are to be fewer or more
	// config are arguments of nats-config, flags those of every process, and dispatch
	// those of dispatchers, whose environment has env besides.
	config, flags, dispatch, env []string
	// edit changes the configuration of a server, if set; workersAt is the number of
	// the server that workers are sent to, 0 for any.
	edit      func(i int, text string) string
	workersAt int
}

// newFleet starts a cluster of that many NATS servers, and two gateways and two
// dispatchers.
func newFleet(t *testing.T, servers int) *fleet {
	t.Helper()
	return site{servers: servers, processes: 2}.start(t)
}

func (s site) start(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, folder: t.TempDir()}
	f.startNATS(s)
	ports := freePorts(t, cmp.Or(s.gateways, s.processes))
	for i, port := range ports {
		listen := "127.0.0.1:" + strconv.Itoa(port)
		f.gatewayURLs = append(f.gatewayURLs, "http://"+listen)
		args := []string{"gateway", "--nats-url=" + f.url, "--nats-creds=" + f.creds, "--data-dir=" + f.dir("gateway", i),
			"--listen=" + listen, "--drain=500ms"}
		f.gateways = append(f.gateways, multinodeProcess(t, []string{"MULTINODE_API_KEY=" + fleetKey}, append(args, s.flags...)...))
	}
	f.balancer = balance(t, f.gatewayURLs...)
	for i := range s.processes {
		args := []string{"dispatcher", "--nats-url=" + f.url, "--nats-creds=" + f.creds, "--authority=" + f.authority,
			"--data-dir=" + f.dir("dispatcher", i), "--api-url=" + f.balancer.URL}
		if s.workersAt > 0 {
			args = append(args, "--worker-nats-url="+strings.Split(f.url, ",")[s.workersAt-1])
		}
		args = append(append(args, s.flags...), s.dispatch...)
		f.dispatchers = append(f.dispatchers, multinodeProcess(t, s.env, args...))
	}
	for _, p := range append(f.gateways, f.dispatchers...) {
		p.start()
	}
	api, err := client.New(client.Options{URL: f.balancer.URL, Key: fleetKey})
	if err != nil {
		t.Fatal(err)
	}
	f.api = api
	t.Cleanup(api.Close)
	return f
}

// stopAll ends gateways and dispatchers as an operator does.
func (f *fleet) stopAll() {
	f.t.Helper()
	for _, p := range append(f.gateways, f.dispatchers...) {
		p.stop()
	}
}

func (f *fleet) dir(name string, i int) string {
	return filepath.Join(f.folder, name+strconv.Itoa(i))
}

// startNATS writes the configuration and starts the servers.
func (f *fleet) startNATS(s site) {
	f.t.Helper()
	servers := s.servers
	binary, err := buildNATS()
	if err != nil {
		f.t.Fatal(err)
	}
	out := filepath.Join(f.folder, "nats")
	args := []string{"nats-config", "--out", out, "--store-dir=" + out, "--max-store=2GiB", "--monitor-port=0", "--json"}
	args = append(args, s.config...)
	ports := freePorts(f.t, 3*servers)
	for i := range servers {
		args = append(args, fmt.Sprintf("--server=127.0.0.1:%d:%d", ports[3*i], ports[3*i+1]))
	}
	stdout, _ := newShell(f.t, nil).mustRun(args...)
	var written struct {
		Configs      []string `json:"configs"`
		ControlPlane string   `json:"control_plane"`
		Authority    string   `json:"authority"`
		URL          string   `json:"nats_url"`
	}
	if err := json.Unmarshal([]byte(stdout), &written); err != nil {
		f.t.Fatal(err)
	}
	f.url, f.creds, f.authority = written.URL, written.ControlPlane, written.Authority
	for i, path := range written.Configs {
		// Three servers on one machine: their folders and monitors must differ.
		monitor := "127.0.0.1:" + strconv.Itoa(ports[3*i+2])
		text, err := os.ReadFile(path)
		if err != nil {
			f.t.Fatal(err)
		}
		own := strings.ReplaceAll(string(text), `"`+out, `"`+f.dir("nats-data", i)) + "\nhttp: \"" + monitor + "\"\n"
		if s.edit != nil {
			own = s.edit(i, own)
		}
		if err := os.WriteFile(path, []byte(own), 0o600); err != nil {
			f.t.Fatal(err)
		}
		f.monitors = append(f.monitors, "http://"+monitor)
		f.nats = append(f.nats, &process{t: f.t, path: binary, args: []string{"-c", path}})
	}
	for _, p := range f.nats {
		p.launch()
	}
	for i := range f.nats {
		f.healthy(i)
	}
}

// healthy waits until a server has everything that it is to have.
func (f *fleet) healthy(i int) {
	f.t.Helper()
	eventually(f.t, "NATS server "+strconv.Itoa(i)+" is healthy", func() bool {
		answer, err := http.Get(f.monitors[i] + "/healthz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// current waits until every stream has a leader, and every server all of it.
func (f *fleet) current() {
	f.t.Helper()
	nc, err := nats.Connect(f.url, nats.UserCredentials(f.creds))
	if err != nil {
		f.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		f.t.Fatal(err)
	}
	eventually(f.t, "every stream is current everywhere", func() bool {
		streams := js.ListStreams(context.Background())
		seen, good := 0, 0
		for info := range streams.Info() {
			seen++
			behind := func(p *jetstream.PeerInfo) bool { return p.Offline || !p.Current }
			if c := info.Cluster; c != nil && c.Leader != "" && len(c.Replicas) == len(f.nats)-1 && !slices.ContainsFunc(c.Replicas, behind) {
				good++
			}
		}
		return streams.Err() == nil && seen > 0 && seen == good
	})
}

// eventually waits for what nothing reports.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !holds() {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// freePorts returns ports that nobody used a moment ago, and that the system gives to
// nobody else.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports := make([]int, n)
	for i := range ports {
		listener, err := kept.Listen(t.Context(), "127.0.0.1", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports
}
