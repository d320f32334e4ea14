package dispatcher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/client"
	"multinode/gateway"
	"multinode/streams"
	"multinode/wire"
)

const directTasks = prelude + `
@mn.function()
def double(n, until=None):
    yield n
    yield 2 * n
    while until and not os.path.exists(until):
        time.sleep(0.02)

@mn.function(max_concurrency=1)
def wait(path):
    while not os.path.exists(path):
        time.sleep(0.02)

@mn.function()
def echo(*args):
    return list(args)
`

func directFunctions() []multinode.FunctionSpec {
	return []multinode.FunctionSpec{fn("double"), fn("wait", concurrency(1)), fn("echo")}
}

// direct is a client on NATS beside one of the REST API.
type direct struct {
	*system
	js   jetstream.JetStream
	rest *client.Client
}

func newDirect(t *testing.T) *direct {
	t.Helper()
	d := &direct{system: newSystem(t, directTasks, directFunctions()...)}
	nc, err := d.server.Connect("direct")
	d.must(err)
	t.Cleanup(nc.Close)
	d.js, err = jetstream.New(nc)
	d.must(err)
	d.must(d.store.PutKey(t.Context(), "key", "test", streams.RoleAdmin, ""))
	o := gateway.DefaultOptions()
	o.Store, o.Index = d.store, d.index
	g, err := gateway.New(o)
	d.must(err)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	d.must(err)
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	t.Cleanup(func() { _, _ = g.Close(), <-served })
	d.rest, err = client.New(client.Options{URL: "http://" + listener.Addr().String(), Key: "key"})
	d.must(err)
	t.Cleanup(d.rest.Close)
	return d
}

// publish puts a request on NATS, with headers in pairs, and returns what the
// server says.
func (d *direct) publish(subject, input string, header ...string) error {
	m := nats.NewMsg(subject)
	m.Data = []byte(input)
	for i := 0; i+1 < len(header); i += 2 {
		m.Header.Add(header[i], header[i+1])
	}
	_, err := d.js.PublishMsg(d.t.Context(), m)
	return err
}

func (d *direct) await(p multinode.Project, function, id string) wire.InvocationInfo {
	d.t.Helper()
	info, err := d.rest.Await(d.t.Context(), client.Invocation{
		Function: client.Function{Project: p.Name, Version: client.Latest, Name: function}, ID: id,
	})
	d.must(err)
	return info
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// nameless is the ID of a request whose own is no ID.
func (d *direct) nameless(p multinode.Project, function string) string {
	d.t.Helper()
	for {
		page, err := d.rest.Invocations(d.t.Context(), client.Function{Project: p.Name, Version: client.Latest, Name: function}, client.ListOptions{})
		d.must(err)
		for _, i := range page.Invocations {
			if streams.Nameless(i.InvocationID) {
				return i.InvocationID
			}
		}
		d.change()
	}
}

// recorded waits until there is a record.
func (d *direct) recorded(k multinode.InvocationKey) {
	d.t.Helper()
	for {
		if _, known, err := d.index.Get(k); known || err != nil {
			d.must(err)
			return
		}
		d.change()
	}
}

// change waits a moment for what is looked at to change. Whoever looks does so
// again until the test's time is up.
func (d *direct) change() {
	d.t.Helper()
	select {
	case <-time.After(20 * time.Millisecond):
	case <-d.t.Context().Done():
		d.t.Fatal("the time is up")
	}
}

// Whatever is published as a request either is refused at once, or ends for
// good, and what was stored before is as it was.
func TestMalformedRequests(t *testing.T) {
	t.Parallel()
	d := newDirect(t)
	p := d.deploy("my project")
	lineage := func(names ...string) string {
		ancestors := []multinode.Ancestor{}
		for _, n := range names {
			ancestors = append(ancestors, multinode.Ancestor{Function: "echo", ID: n})
		}
		data, err := json.Marshal(ancestors)
		d.must(err)
		return string(data)
	}
	many := make([]string, multinode.MaxDepth+1)
	for i := range many {
		many[i] = fmt.Sprint("a", i)
	}
	const input = `[[1], {}]`
	for name, request := range map[string]struct {
		id      string // as the subject has it; the name where empty
		input   string
		header  []string
		refused bool   // by the server, when it is published
		fails   string // what the error says; it succeeds where empty
	}{
		"plain":             {},
		"encoded":           {id: "=C3=BC=20=2E"},
		"unknown-header":    {header: []string{"X-Other", "1", "Nats-Whatever", "2"}},
		"message-id":        {header: []string{"Nats-Msg-Id", "a"}},
		"unknown-parent":    {header: []string{"Mn-Lineage", lineage("never-was")}},
		"64-ancestors":      {header: []string{"Mn-Lineage", lineage(many[1:]...)}},
		"rollup":            {header: []string{"Nats-Rollup", "all"}, refused: true},
		"rollup-subject":    {header: []string{"Nats-Rollup", "sub"}, refused: true},
		"expected-stream":   {header: []string{"Nats-Expected-Stream", "KV_mn-invocations"}, refused: true},
		"expected-sequence": {header: []string{"Nats-Expected-Last-Sequence", "99999"}, refused: true},
		"schedule": {header: []string{"Nats-Schedule", "@at 2099-01-01T00:00:00Z",
			"Nats-Schedule-Target", "mn.invoke.other.f.x"}, refused: true},
		"ttl":              {header: []string{"Nats-TTL", "1s"}, refused: true},
		"counter":          {header: []string{"Nats-Incr", "+1"}, refused: true},
		"batch":            {header: []string{"Nats-Batch-Id", "b", "Nats-Batch-Sequence", "1", "Nats-Batch-Commit", "1"}, refused: true},
		"unknown-version":  {header: []string{"Mn-Version", multinode.NewID(multinode.VersionPrefix)}, fails: "version is unknown"},
		"latest":           {header: []string{"Mn-Version", "latest"}, fails: "version is unknown"},
		"long-version":     {header: []string{"Mn-Version", strings.Repeat("v", 50_000)}, fails: "version is unknown"},
		"not-json":         {header: []string{"Mn-Lineage", "{["}, fails: "Mn-Lineage is no list"},
		"nameless-parent":  {header: []string{"Mn-Lineage", lineage("")}, fails: "cannot be one"},
		"long-parent":      {header: []string{"Mn-Lineage", lineage(strings.Repeat("i", 129))}, fails: "cannot be one"},
		"control-parent":   {header: []string{"Mn-Lineage", lineage("a\x00b")}, fails: "cannot be one"},
		"bad-function":     {header: []string{"Mn-Lineage", `[{"id":"x"}]`}, fails: "cannot be one"},
		"too-deep":         {header: []string{"Mn-Lineage", lineage(many...)}, fails: "more than 64 ancestors"},
		"own-ancestor":     {header: []string{"Mn-Lineage", lineage("own-ancestor")}, fails: "has a circle"},
		"twice":            {header: []string{"Mn-Lineage", lineage("x", "y", "x")}, fails: "has a circle"},
		"long-lineage":     {header: []string{"Mn-Lineage", `[{"function":"` + strings.Repeat("f", 50_000) + `"}]`}, fails: "longer than"},
		"long-input":       {input: `[["` + strings.Repeat("ü", multinode.MaxInput) + `"], {}]`, fails: "longer than 250000 characters"},
		"large-payload":    {input: strings.Repeat("x", 5<<20), fails: "longer than 250000 characters"},
		"not-utf-8":        {input: "[[\"\xff\"], {}]", fails: "not UTF-8"},
		"no-json":          {input: "hello", fails: "SerializationError"},
		"empty":            {input: " ", fails: "SerializationError"},
		"wrong-shape":      {input: `{"args": []}`, fails: "[args, kwargs]"},
		"unknown-class":    {input: `[[{"py/object": "no.such.Class", "py/reduce": 1}], {}]`},
		"not-canonical":    {id: "a=41", fails: "not in canonical form"},
		"half-an-escape":   {id: "a=4", fails: "ends within an escape"},
		"raw-utf-8":        {id: "ü", fails: "not in canonical form"},
		"not-utf-8-id":     {id: "=FF", fails: "not UTF-8"},
		"control-id":       {id: "a=00", fails: "control character"},
		"long-id":          {id: strings.Repeat("i", 129), fails: "longer than 128 bytes"},
		"very-long-id":     {id: strings.Repeat("i", 40_000), fails: "longer than 128 bytes"},
		"reserved-id":      {id: "malformed-1", fails: "reserved"},
		"wrong-everything": {id: "=", input: "\xff", header: []string{"Mn-Lineage", "?", "Mn-Version", "?"}, fails: "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &direct{system: d.system, js: d.js, rest: d.rest}
			if request.id == "" {
				request.id = name
			}
			if request.input == "" {
				request.input = input
			}
			subject := "mn.invoke.my=20project.echo." + request.id
			err := d.publish(subject, request.input, request.header...)
			if request.refused {
				if err == nil {
					t.Fatal("the server took it")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			id := streams.RequestID(subject)
			if streams.Nameless(id) {
				d.recorded(multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: "echo", ID: id})
			}
			info := d.await(p, "echo", id)
			if want := "FAILED"; request.fails != "" && (string(info.Status) != want || !strings.Contains(text(info.ErrorMessage), request.fails)) {
				t.Errorf("it ended %s: %q, not with %q", info.Status, text(info.ErrorMessage), request.fails)
			}
			if request.fails == "" && string(info.Status) != "SUCCEEDED" {
				t.Errorf("it ended %s: %q", info.Status, text(info.ErrorMessage))
			}
			if info.VersionID == "" {
				t.Error("no version lists it")
			}
		})
	}
	// Nothing is delivered again, and what ended before is as it was.
	d.settled(p)
	if info := d.await(p, "echo", "plain"); text(info.Output) != "[1]" || text(info.ErrorMessage) != "" {
		t.Errorf("the first request's result is %q, %q", text(info.Output), text(info.ErrorMessage))
	}
}

// settled waits until no request waits or is worked on.
func (d *direct) settled(p multinode.Project) {
	d.t.Helper()
	for {
		done, err := d.store.Drained(d.t.Context(), p)
		d.must(err)
		if done {
			return
		}
		d.change()
	}
}

// A token that is not in canonical form must not be taken for the ID that it
// would decode to.
func TestAMalformedIDHarmsNoOther(t *testing.T) {
	t.Parallel()
	d := newDirect(t)
	p := d.deploy("p")
	path := filepath.Join(t.TempDir(), "go on")
	d.must(d.publish("mn.invoke.p.wait.=3D41", fmt.Sprintf(`[[%q], {}]`, path)))
	k := multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: "wait", ID: "=41"}
	d.until(k, "running", func(i multinode.Invocation) bool { return i.Status == multinode.Running })
	d.must(d.publish("mn.invoke.p.wait.=41", "[[], {}]"))
	// It is listed while it waits behind the other one.
	id := d.nameless(p, "wait")
	d.must(os.WriteFile(path, nil, 0o600))
	if done := d.end(k); done.Status != multinode.Succeeded || len(done.Executions) != 1 {
		t.Errorf("the invocation with the ID =41 ended %s after %d executions", done.Status, len(done.Executions))
	}
	if info := d.await(p, "wait", id); info.Status != "FAILED" {
		t.Errorf("the other one ended %s", info.Status)
	}
}

// Requests of direct clients are listed although a thousand wait ahead of them.
func TestDirectRequestsAreListedWhileTheyWait(t *testing.T) {
	t.Parallel()
	d := newDirect(t)
	p := d.deploy("p")
	path := filepath.Join(t.TempDir(), "go on")
	ref := client.Function{Project: "p", Version: client.Latest, Name: "wait"}
	const many = 1000
	for i := range many {
		_, err := d.js.PublishAsync(fmt.Sprint("mn.invoke.p.wait.n", i), fmt.Appendf(nil, `[[%q], {}]`, path))
		d.must(err)
	}
	<-d.js.PublishAsyncComplete()
	for {
		counts, err := d.index.Counts(p.Name, p.Generation, "wait")
		d.must(err)
		if counts[multinode.Pending]+counts[multinode.Running] == many {
			break
		}
		d.change()
	}
	page, err := d.rest.Invocations(t.Context(), ref, client.ListOptions{})
	d.must(err)
	if len(page.Invocations) == 0 || page.Invocations[0].InvocationID != fmt.Sprint("n", many-1) {
		t.Errorf("the newest listed is %+v", page.Invocations[0])
	}
	info, err := d.rest.Cancel(t.Context(), client.Invocation{Function: ref, ID: fmt.Sprint("n", many-1)})
	d.must(err)
	if info.Status != "CANCELLED" {
		t.Errorf("cancelled at the end of the line it is %s", info.Status)
	}
}

// credentials is a file as a direct client gets it.
func (d *direct) credentials() string {
	d.t.Helper()
	content, err := d.server.ClientCredentials("direct", time.Time{})
	d.must(err)
	path := filepath.Join(d.t.TempDir(), "client.creds")
	d.must(os.WriteFile(path, content, 0o600))
	return path
}

// printed keeps what a program prints, and makes a file when the line has come.
type printed struct {
	all        bytes.Buffer
	line, file string
}

func (p *printed) Write(text []byte) (int, error) {
	n, err := p.all.Write(text)
	if p.line != "" && strings.Contains(p.all.String(), p.line+"\n") {
		err = os.WriteFile(p.file, nil, 0o600)
	}
	return n, err
}

func TestTheExampleOfADirectClient(t *testing.T) {
	t.Parallel()
	d := newDirect(t)
	d.deploy("my project")
	program := filepath.Join(t.TempDir(), "direct")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../examples/direct").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// call returns what it prints, and makes the file when the line was seen.
	call := func(line, file string, args ...string) string {
		args = append([]string{"--server", d.server.URL(), "--creds", d.credentials()}, args...)
		command := exec.CommandContext(t.Context(), program, args...)
		printed := &printed{line: line, file: file}
		command.Stdout, command.Stderr = printed, printed
		var exit *exec.ExitError
		if err := command.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return printed.all.String()
	}
	// What is yielded last might be overtaken by the end.
	file := filepath.Join(t.TempDir(), "go on")
	got := call("yield 8", file, "--input", fmt.Sprintf("[[4, %q], {}]", file), "my project", "double")
	for _, want := range []string{"accepted inv-", "yield 8\n", "status SUCCEEDED\noutput 8\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if got := call("", "", "--input", "[[], {}]", "my project", "double"); !strings.Contains(got, "status FAILED\n") || !strings.Contains(got, "TypeError") {
		t.Errorf("a call with too few arguments:\n%s", got)
	}
	if got := call("", "", "my project", "none"); !strings.Contains(got, "no such function is deployed") {
		t.Errorf("a call of no function:\n%s", got)
	}
}

// The commands of docs/direct-clients.md are run as they stand there.
func TestTheDocumentedCommandsOfDirectClients(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nats"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the nats tool is missing: go install github.com/nats-io/natscli/nats@v0.5.1")
		}
		t.Skip("the nats tool is not on the PATH")
	}
	page, err := os.ReadFile("../docs/direct-clients.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```sh nats\n")
	script, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the page has no block of nats commands")
	}
	d := newDirect(t)
	d.deploy("my project")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Env = append(os.Environ(), "NATS_URL="+d.server.URL(), "NATS_CREDS="+d.credentials(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"status":"SUCCEEDED"`, "Mn-Outcome", "\n42"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}
