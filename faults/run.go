package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"multinode"
	"multinode/client"
	"multinode/trust"
)

// options of a run.
type options struct {
	dir  string
	seed uint64
	long bool
	// thorough runs look for every point, and leave alone what does not lead there.
	thorough bool
	say      func(format string, arguments ...any)
}

// run is one system under test with its clients.
type run struct {
	*ledger
	*system
	options
	id      string
	dice    *dice
	crashes *crashes
	load    *load
	search  search
	nats    *nats.Conn
	// hopeless ends the run early: nothing works any more.
	hopeless context.CancelFunc
}

// workshop is what runs have in common.
type workshop struct {
	root, binary, environments string
	names                      []string
}

// binaryVariable names a binary that was built before, with fail points.
const binaryVariable = "MULTINODE_FAULTS_BINARY"

// newWorkshop builds the binary in a folder.
func newWorkshop(ctx context.Context, dir string, race bool) (*workshop, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	w := &workshop{root: root, binary: filepath.Join(dir, "multinode"), environments: filepath.Join(dir, "environments")}
	if w.names, err = points(root); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(w.environments, 0o700); err != nil {
		return nil, err
	}
	if given := os.Getenv(binaryVariable); given != "" {
		w.binary = given
		return w, nil
	}
	return w, build(ctx, root, w.binary, race)
}

// open starts a system that make has prepared on a folder, deploys the project and
// connects.
func (w *workshop) open(ctx context.Context, o options, make func(dir string) (*system, error)) (_ *run, err error) {
	r := &run{ledger: newLedger(), options: o, id: multinode.NewID("faults"), dice: newDice(o.seed)}
	if r.crashes, err = newCrashes(w.names, filepath.Join(o.dir, "died")); err != nil {
		return nil, err
	}
	if r.system, err = make(o.dir); err != nil {
		return nil, err
	}
	markers := filepath.Join(o.dir, "markers")
	if err := os.MkdirAll(markers, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	for _, s := range r.brokers {
		// The servers of a cluster need each other to come up.
		if _, err := s.start(r.environment()); err != nil {
			return nil, err
		}
	}
	for _, s := range r.brokers {
		if err := s.knock(); err != nil {
			return nil, err
		}
	}
	for _, s := range r.ours() {
		if err := s.serve(r.environment()); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, s.tail(20))
		}
	}
	if r.nats, err = r.connect(); err != nil {
		return nil, err
	}
	if err := keepHistory(ctx, r.nats); err != nil {
		return nil, err
	}
	r.load = &load{ledger: r.ledger, dice: r.dice, apis: r.anyAPI, nats: r.nats, dir: markers}
	folder := filepath.Join(markers, "project")
	if err := writeProject(folder, "the first"); err != nil {
		return nil, err
	}
	return r, r.load.deploy(ctx, projectName, folder)
}

// anyAPI is a client of one of the gateways.
func (r *run) anyAPI() *client.Client { return r.gateways[r.dice.next(len(r.gateways))].api }

// connect opens a connection that may read everything.
func (r *run) connect() (*nats.Conn, error) {
	authority, err := trust.Load(r.authority)
	if err != nil {
		return nil, err
	}
	claims, sign, err := authority.AppUser("faults")
	if err != nil {
		return nil, err
	}
	return nats.Connect(r.gateways[0].NATSURL, nats.UserJWT(func() (string, error) { return claims, nil }, sign),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
}

// environment is what servers get.
func (r *run) environment(more ...string) []string {
	return append([]string{
		mark + "=" + r.id, "MULTINODE_API_KEY=" + apiKey,
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + os.TempDir(), "LANG=C.UTF-8",
	}, append(passed(), more...)...)
}

// passed are the settings of the machine that installing packages may need.
func passed() []string {
	var list []string
	for _, variable := range os.Environ() {
		if strings.HasPrefix(variable, "PIP_") || strings.HasPrefix(strings.ToUpper(variable), "HTTPS_PROXY=") || strings.HasPrefix(variable, "SSL_") {
			list = append(list, variable)
		}
	}
	return list
}

// disturbed lets clients work while the server dies again and again, until the
// time is over or enough says so.
func (r *run) disturbed(ctx context.Context, clients int, enough func() bool) {
	ctx, r.hopeless = context.WithCancel(ctx)
	defer r.hopeless()
	working, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { r.load.run(working, ctx, clients) })
	all.Go(func() { r.load.comeAndGo(working, ctx) })
	for _, s := range r.ours() {
		all.Go(func() {
			for ctx.Err() == nil && !enough() {
				r.life(ctx, s)
			}
			// Clients finish what they have begun: with servers that live on.
			s.kill()
			r.comeUp(ctx, s)
			stop()
		})
	}
	if len(r.brokers) > 0 {
		all.Go(func() { r.disturbBrokers(working) })
	}
	all.Wait()
}

// lostServer notes that a server does not come up, which ends the run.
func (r *run) lostServer(s *server, err error) {
	r.giveUp("%s did not come up again: %v\n%s", s.name, err, s.tail(10))
	s.kill()
	r.hopeless()
}

// patience is how long a system may take to come to rest: leases have to run out,
// and what failed often waits between its tries. What a dispatcher meant to launch
// and did not, another one at another place waits for.
func (r *run) patience() time.Duration {
	if len(r.dispatchers) > 1 {
		return multinode.StartDeadline + 3*time.Minute
	}
	return 3 * time.Minute
}

// rest waits until everything that was accepted has ended.
func (r *run) rest(ctx context.Context) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	var last []string
	said := time.Now()
	for {
		open, err := leases(ctx, r.nats)
		var s stored
		if err == nil {
			if s, err = look(ctx, r.nats); err == nil {
				open = append(open, s.busy()...)
			}
		}
		if err == nil && len(open) == 0 {
			return s, nil
		}
		if ctx.Err() != nil {
			return s, errors.Join(errors.New("it does not come to rest: "+strings.Join(append(last, open...), "\n  ")), err)
		}
		if err == nil {
			last = open
		}
		if time.Since(said) > 30*time.Second {
			said = time.Now()
			r.say("not at rest yet: %v\n  %s", err, strings.Join(last, "\n  "))
		}
		wait(ctx, time.Second)
	}
}

// close ends everything that is left of the run.
func (r *run) close() {
	if r.nats != nil {
		r.nats.Close()
	}
	for _, s := range r.servers() {
		s.kill()
	}
	killAll(r.id)
	if r.network != nil {
		if err := r.network.close(context.Background()); err != nil {
			r.say("the network is not taken apart: %v", err)
		}
	}
}
