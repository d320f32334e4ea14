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
	// races is the folder where the race detector writes, if it is built in.
	races string
	// suspends has processes stopped for a while, and nothing else done to them.
	suspends bool
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
	// planted has the generations of what was stored of projects that have gone.
	planted sync.Map
	// asleep are the workers that are suspended.
	asleep sync.WaitGroup
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

// built says with what the binary is built.
type built struct{ race, stepped bool }

// newWorkshop builds the binary in a folder.
func newWorkshop(ctx context.Context, dir string, b built) (*workshop, error) {
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
	return w, build(ctx, root, w.binary, b)
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
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	markers := filepath.Join(o.dir, "markers")
	if err := os.MkdirAll(markers, 0o700); err != nil {
		return nil, err
	}
	if r.messages != nil {
		r.messages.dice, r.messages.fault = r.dice, r.fault
	}
	for _, s := range r.brokers {
		// The servers of a cluster need each other to come up.
		if _, err := s.start(r.environment(s)); err != nil {
			return nil, err
		}
	}
	for _, s := range r.brokers {
		if err := s.knock(); err != nil {
			return nil, err
		}
	}
	for _, s := range r.ours() {
		if err := s.serve(r.environment(s)); err != nil {
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
	if r.thorough {
		r.load.left, r.load.calm = r.plant, r.calm
	}
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
	url := r.gateways[0].NATSURL
	if r.messages != nil {
		url = "nats://" + r.brokers[0].listens // the suite itself has to know the truth
	}
	return nats.Connect(url, nats.UserJWT(func() (string, error) { return claims, nil }, sign),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
}

// environment is what a server gets.
func (r *run) environment(s *server, more ...string) []string {
	if r.clocks != nil {
		more = append(more, "MULTINODE_CLOCK_FILE="+r.clocks.file(s.name))
	}
	if r.races != "" {
		more = append(more, "GORACE=log_path="+filepath.Join(r.races, "race"))
	}
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

// disturbed lets clients work while the system is disturbed again and again, until
// enough says so.
func (r *run) disturbed(ctx context.Context, clients int, enough func() bool) {
	ctx, r.hopeless = context.WithCancel(ctx)
	defer r.hopeless()
	working, stop := context.WithCancel(ctx)
	defer stop()
	var work, disturb sync.WaitGroup
	work.Go(func() { r.load.run(working, ctx, clients) })
	work.Go(func() { r.load.comeAndGo(working, ctx) })
	for _, s := range r.ours() {
		disturb.Go(func() {
			for ctx.Err() == nil && !enough() {
				r.life(ctx, s, enough)
			}
			// Clients finish what they have begun: with servers that live on.
			stop()
			s.kill()
			r.comeUp(ctx, s)
		})
	}
	for _, each := range r.surroundings() {
		disturb.Go(func() { each(working) })
	}
	disturb.Wait()
	r.asleep.Wait()
	// From here on nothing is disturbed, and everybody has to get an answer.
	patience := time.AfterFunc(opPatience, r.hopeless)
	defer patience.Stop()
	work.Wait()
}

// surroundings are what disturbs the system from outside. Each ends with its
// context, and leaves things as they should be.
func (r *run) surroundings() []func(context.Context) {
	var all []func(context.Context)
	if r.messages != nil {
		all = append(all, r.messages.disturb)
	}
	if r.clocks != nil {
		all = append(all, r.disturbClocks)
	}
	if r.disk != nil {
		all = append(all, r.disturbDisk)
	}
	// A message lost on the way to a server that is down says nothing new.
	if len(r.brokers) > 0 && r.messages == nil && !r.suspends {
		all = append(all, r.disturbBrokers)
	}
	return all
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
	if r.system != nil {
		for _, s := range r.servers() {
			s.kill()
		}
	}
	killAll(r.id)
	if r.system != nil {
		if err := r.system.close(); err != nil {
			r.say("the suite's own things are not taken apart: %v", err)
		}
	}
}
