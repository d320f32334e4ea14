package container

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/dispatcher/provision"
	"multinode/embedded/embeddedtest"
	"multinode/images"
	"multinode/images/builder"
	"multinode/images/imagestest"
	"multinode/images/order"
	"multinode/images/registry"
	"multinode/streams"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// compute is one whose workers are functions of a test.
type compute struct {
	provision.Provisioner
	launch func(provision.Intent) error

	mu      sync.Mutex
	intents []provision.Intent
	stopped []string
}

func (c *compute) Launch(_ context.Context, i provision.Intent) (multinode.Worker, error) {
	c.mu.Lock()
	c.intents = append(c.intents, i)
	c.mu.Unlock()
	return multinode.Worker{}, c.launch(i)
}

func (c *compute) Stop(_ context.Context, id string, _ multinode.Worker, _ time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = append(c.stopped, id)
	return nil
}

// bench is a workshop on a real store, and a registry with a base.
type bench struct {
	*testing.T
	*Workshop
	compute *compute
	store   *streams.Store
	project multinode.Project
	version multinode.Version
	host    string
}

const password = "right"

func newBench(t *testing.T) *bench {
	nc, err := embeddedtest.Start(t).Connect("test")
	must(t, err)
	t.Cleanup(nc.Close)
	store, err := streams.Open(t.Context(), nc, streams.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	r, err := registry.New(registry.Options{Dir: t.TempDir(), Password: password})
	must(t, err)
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	b := &bench{T: t, compute: &compute{}, store: store, host: server.Listener.Addr().String()}
	bases, stop, err := imagestest.Serve(t.TempDir())
	must(t, err)
	t.Cleanup(stop)
	image, err := imagestest.EmptyBase()
	must(t, err)
	must(t, imagestest.Store(t.Context(), bases+"/python:3", image))
	program := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(program, []byte("the program"), 0o755))
	b.Workshop = &Workshop{
		options: Options{
			Store: store, Provisioner: b.compute, Images: b.client(password), Repository: b.host + "/multinode", BuildRepository: "inside:5000/multinode",
			Base: bases + "/python:3", Platform: images.LinuxAMD64, Program: program, URL: "http://gateway", CPU: 1, MemoryGiB: 1, Dir: t.TempDir(),
		},
		log: slog.New(slog.DiscardHandler), program: "program", launchTime: launchTime, startPause: time.Millisecond,
		running: map[string]chan provision.Exit{}, fresh: map[streams.BuildKey][]string{},
	}
	code := fmt.Sprintf("%x", sha256.Sum256([]byte("code")))
	b.project, err = store.CreateProject(t.Context(), "p")
	must(t, err)
	b.version = multinode.Version{
		ID: "ver-1", Project: "p", Generation: b.project.Generation, State: multinode.VersionPreparing, Bundle: code,
		Claim: &multinode.Claim{By: "preparer-1", Until: time.Now().Add(time.Hour)},
	}
	_, err = store.PutBundle(t.Context(), code, strings.NewReader("code"))
	must(t, err)
	must(t, store.CreateVersion(t.Context(), b.version, nil))
	return b
}

func (b *bench) client(password string) *images.Client {
	return images.New(images.Options{Credentials: map[string]images.Credential{b.host: {Username: "x", Password: password}}})
}

// reports has the next worker's report.
func (b *bench) reports(i provision.Intent, r order.Report) error {
	content, err := json.Marshal(r)
	return errors.Join(err, b.store.ReportBuild(context.Background(), streams.BuildKeyOf(b.version), i.ExecutionID, content))
}

var functions = []multinode.FunctionSpec{{Name: "f", CPU: 1, MemoryGiB: 1, MaxConcurrency: 1, Timeout: time.Minute}}

var digest = "sha256:" + strings.Repeat("0", 64)

func (b *bench) succeeds(i provision.Intent) error {
	return b.reports(i, order.Report{Functions: functions, Image: b.options.BuildRepository + "@" + digest})
}

func quiet(string) {}

// What the registry's keeper has to mend is nobody's failed deployment.
func TestARegistryThatRefuses(t *testing.T) {
	b := newBench(t)
	b.options.Images = b.client("wrong")
	var project *build.Failure
	if _, err := b.Prepare(t.Context(), b.version, quiet); err == nil || errors.As(err, &project) || !strings.Contains(err.Error(), "check its credentials") {
		t.Errorf("a wrong password: %v", err)
	}
	b.options.Images = b.client(password)
	b.options.Base = b.host + "/nothing:1"
	if _, err := b.Prepare(t.Context(), b.version, quiet); err == nil || errors.As(err, &project) || !strings.Contains(err.Error(), "no such image") {
		t.Errorf("a base of the server's that is not there: %v", err)
	}
	if _, err := b.lay(t.Context(), named{b.host + "/nothing:1", true}); !errors.As(err, &project) {
		t.Errorf("a base of the project's that is not there: %v", err)
	}
}

// A build that had a problem is over, and the next has what it needs.
func TestABuildInTrouble(t *testing.T) {
	b := newBench(t)
	b.compute.launch = func(i provision.Intent) error { return b.reports(i, order.Report{Trouble: "the registry is down"}) }
	var project *build.Failure
	for range tries + 1 {
		if _, err := b.Prepare(t.Context(), b.version, quiet); err == nil || errors.As(err, &project) || !strings.Contains(err.Error(), "the registry is down") {
			t.Fatalf("%v", err)
		}
	}
	if len(b.bases.laid) != 0 {
		t.Errorf("the base is not laid anew: %v", b.bases.laid)
	}
	b.compute.launch = func(i provision.Intent) error {
		b.Exited(provision.Exit{ExecutionID: i.ExecutionID, NotStarted: true, Kind: provision.Permanent, Detail: "access denied to its image"})
		return nil
	}
	if _, err := b.Prepare(t.Context(), b.version, quiet); err == nil || errors.As(err, &project) || !strings.Contains(err.Error(), "access denied") {
		t.Errorf("one that cannot be started: %v", err)
	}
	b.compute.launch = b.succeeds
	if made, err := b.Prepare(t.Context(), b.version, quiet); err != nil || made.Images[""] != b.options.Repository+"@"+digest {
		t.Errorf("%+v, %v", made, err)
	}
	if len(b.compute.stopped) != len(b.compute.intents) || len(b.running) != 0 {
		t.Errorf("%d builds, of which %d were ended", len(b.compute.intents), len(b.compute.stopped))
	}
}

// One that waits for room for long gets another ticket, and uses up no try.
func TestABuildThatWaitsForRoom(t *testing.T) {
	b := newBench(t)
	b.launchTime = 0
	launched := 0
	b.compute.launch = func(i provision.Intent) error {
		if launched++; launched <= 2*tries {
			return &provision.Error{Kind: provision.NoCapacity, RetryAfter: time.Millisecond, Err: errors.New("all is in use")}
		}
		return b.succeeds(i)
	}
	var said []string
	if _, err := b.Prepare(t.Context(), b.version, func(line string) { said = append(said, line) }); err != nil {
		t.Fatal(err)
	}
	tickets := map[string]bool{}
	for _, i := range b.compute.intents {
		tickets[i.Environment[builder.TicketVariable]] = true
	}
	if len(tickets) != 2*tries+1 || !strings.Contains(strings.Join(said, "\n"), "all is in use") {
		t.Errorf("%d tickets; said: %q", len(tickets), said)
	}
}

// Repositories have several names: with and without their registry, as Docker Hub's.
func TestNamesWithinBuilds(t *testing.T) {
	for _, reference := range []string{"team/multinode@" + digest, "index.docker.io/team/multinode@" + digest} {
		if inside := inBuild(Options{Repository: "team/multinode", BuildRepository: "team/multinode"}, reference); inside != "team/multinode@"+digest {
			t.Errorf("%s is %s to builds", reference, inside)
		}
	}
}

// An image stays from its build until its version names it, also where the version has
// images already: of another repository.
func TestKeepSparesWhatIsNew(t *testing.T) {
	b := newBench(t)
	b.compute.launch = b.succeeds
	var kept []string
	b.options.Retain = func(digests []string) error { kept = digests; return nil }
	update := func(change func(*multinode.Version)) {
		t.Helper()
		_, err := b.store.UpdateVersion(t.Context(), b.project, b.version.ID, func(v *multinode.Version) error { change(v); return nil })
		must(t, err)
	}
	keeps := func(want bool) {
		t.Helper()
		if done, err := b.Keep(t.Context()); !done || err != nil || slices.Contains(kept, digest) != want {
			t.Errorf("%v, %v: kept %q", done, err, kept)
		}
	}
	update(func(v *multinode.Version) {
		v.State, v.Built = multinode.VersionReady, map[string]string{"": "elsewhere/x@sha256:1"}
	})
	made, err := b.Prepare(t.Context(), b.version, quiet)
	must(t, err)
	keeps(true)
	update(func(v *multinode.Version) { v.Built, v.Claim = made.Images, nil })
	keeps(true)
	update(func(v *multinode.Version) { v.Built = nil })
	keeps(false)
}
