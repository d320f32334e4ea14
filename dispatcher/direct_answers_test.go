package dispatcher_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/streams"
)

// What docs/direct-clients.md says of the answers to a publish, of versions and of
// lineage holds.
func TestWhatDirectClientsAreTold(t *testing.T) {
	t.Parallel()
	d := newDirect(t)
	p := d.deploy("p")
	key := func(function, id string) multinode.InvocationKey {
		return multinode.InvocationKey{Project: p.Name, Generation: p.Generation, Function: function, ID: id}
	}

	// No responders: nothing of that name is deployed.
	for _, subject := range []string{"mn.invoke.p.none.a", "mn.invoke.none.echo.a"} {
		if err := d.publish(subject, `[[1], {}]`); !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrNoStreamResponse) {
			t.Errorf("%s: %v", subject, err)
		}
	}

	// The same ID again: 10077 with the documented text, and it ran once.
	d.must(d.publish("mn.invoke.p.echo.again", `[[1], {}]`))
	d.end(key("echo", "again"))
	err := d.publish("mn.invoke.p.echo.again", `[[2], {}]`)
	var refused *jetstream.APIError
	const text = "maximum messages per subject exceeded"
	if !errors.As(err, &refused) || refused.ErrorCode != 10077 || !strings.Contains(refused.Description, text) {
		t.Errorf("a repeated ID: %v", err)
	}
	page, err := os.ReadFile("../docs/direct-clients.md")
	d.must(err)
	if !strings.Contains(string(page), text) {
		t.Errorf("the page does not name %q", text)
	}
	if r := d.end(key("echo", "again")); string(d.outcome(r).Output) != "[1]" || len(r.Executions) != 1 {
		t.Errorf("%+v", r)
	}

	// A version that is named runs, and without one that which served when it was stored.
	first := d.end(key("echo", "again")).Version
	d.must(d.publish("mn.invoke.p.wait.before", fmt.Sprintf(`[[%q], {}]`, filepath.Join(t.TempDir(), "never"))))
	second := d.upgrade(p).ID
	d.must(d.publish("mn.invoke.p.echo.old", `[[1], {}]`, "Mn-Version", first))
	d.must(d.publish("mn.invoke.p.echo.new", `[[1], {}]`))
	for id, want := range map[string]string{"old": first, "new": second} {
		if got := d.end(key("echo", id)).Version; got != want {
			t.Errorf("%s ran version %s, not %s", id, got, want)
		}
	}
	running := func(i multinode.Invocation) bool { return i.Status == multinode.Running }
	if r := d.until(key("wait", "before"), "running", running); r.Version != first {
		t.Errorf("what was accepted before the upgrade runs %s", r.Version)
	}

	// A child goes with the ancestors that it names, whether it waits or runs.
	lineage := `[{"function":"wait","id":"before"}]`
	d.must(d.publish("mn.invoke.p.wait.child", `[["/never"], {}]`, "Mn-Lineage", lineage))
	d.must(d.publish("mn.invoke.p.echo.after", `[[1], {}]`, "Mn-Lineage", `[{"function":"wait","id":"long gone"}]`))
	d.recorded(key("wait", "child"))
	_, _, err = d.store.RequestCancel(t.Context(), key("wait", "before"))
	d.must(err)
	for id, want := range map[string]multinode.Status{"before": multinode.Cancelled, "child": multinode.Cancelled} {
		if r := d.end(key("wait", id)); r.Status != want {
			t.Errorf("%s ended %s", id, r.Status)
		}
	}
	// An ancestor that is not there is taken for one that ended long ago.
	if r := d.end(key("echo", "after")); r.Status != multinode.Succeeded {
		t.Errorf("it ended %s", r.Status)
	}

	// An input that is no jsonpickle fails in the worker, and each try with it.
	d.must(d.publish("mn.invoke.p.echo.broken", "hello"))
	if r := d.end(key("echo", "broken")); r.Status != multinode.Failed || len(r.Executions) != r.Spec.MaxRetries+1 {
		t.Errorf("%+v", r)
	}
	if streams.Nameless("malformed") || !streams.Nameless("malformed-"+strings.Repeat("0", 32)) {
		t.Error("the prefix of IDs that are none is another")
	}
}
