package dispatcher

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"multinode"
	"multinode/embedded/embeddedtest"
)

// pushes makes the contender's dispatcher tell a test what it tells the servers.
func (c *contender) pushes(fail error) <-chan string {
	told := make(chan string, 100)
	c.d.RevokeWorkers = func(_ context.Context, executions map[string]time.Time) error {
		told <- strings.Join(slices.Sorted(maps.Keys(executions)), " ")
		return fail
	}
	ctx, stop := context.WithCancel(c.t.Context())
	go func() { c.ended <- c.d.tendRevoked(ctx) }()
	c.t.Cleanup(func() {
		stop()
		if err := <-c.ended; err != nil {
			c.t.Error(err)
		}
	})
	return told
}

// hears waits until the servers are told exactly that.
func hears(t *testing.T, told <-chan string, want string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	last := "nothing"
	for {
		select {
		case last = <-told:
			if last == want {
				return
			}
		case <-deadline:
			t.Fatalf("the servers were told %q and not %q", last, want)
		}
	}
}

// claims waits until the contender tells for all. A first look at the claim may come
// to nothing, and those that follow go by the clock.
func (c *contender) claims() {
	c.t.Helper()
	for {
		must(c.t, c.clock.BlockUntilContext(c.t.Context(), 1))
		if holder, _, err := c.d.Store.Claim(c.t.Context(), "revocations"); err == nil && holder != "" {
			return
		}
		c.clock.Advance(claimRenewal)
	}
}

func TestWhatIsRevokedIsToldToTheServers(t *testing.T) {
	server, now := embeddedtest.Start(t), time.Now()
	first, second := newContender(t, server, now), newContender(t, server, now)
	spec := multinode.FunctionSpec{Timeout: time.Hour}
	revoke := func(c *contender, execution string) {
		l := &lease{d: c.d, execution: execution, log: c.d.log}
		l.record.Spec = spec
		l.d.revoke(t.Context(), l.execution, l.record.Spec)
	}
	// Without anything to tell the servers with, nothing is kept.
	revoke(first, "exe-0")
	if revoked := first.d.Store.RevokedWorkers(); len(revoked) != 0 {
		t.Errorf("kept are %v", revoked)
	}
	told := first.pushes(nil)
	hears(t, told, "")
	first.claims()
	revoke(first, "exe-1")
	hears(t, told, "exe-1")

	// Another dispatcher tells at its start what it finds; what it revokes itself,
	// the one that has the claim tells.
	others := second.pushes(nil)
	hears(t, others, "exe-1")
	revoke(second, "exe-2")
	revoke(second, "exe-2")
	hears(t, told, "exe-1 exe-2")

	// When the credentials have expired by themselves, it is forgotten.
	first.clock.Advance(time.Until(first.d.credentialsEnd(spec)) - time.Second)
	first.clock.Advance(2 * multinode.CredentialMargin)
	hears(t, told, "")
	for len(second.d.Store.RevokedWorkers()) > 0 {
		select {
		case <-t.Context().Done():
			t.Fatal("it is kept for ever")
		case <-time.After(time.Millisecond):
		}
	}
}

// One that cannot reach the servers' system account lets another one try.
func TestWhoCannotRevokeLetsAnotherTry(t *testing.T) {
	server, now := embeddedtest.Start(t), time.Now()
	unable, able := newContender(t, server, now), newContender(t, server, now)
	// The clock runs far ahead below, and nothing is to expire by it.
	const far = 20 * 365 * 24 * time.Hour
	must(t, unable.d.Store.RevokeWorker(t.Context(), "exe-1", now.Add(far)))
	failing := unable.pushes(errors.New("no"))
	hears(t, failing, "exe-1")
	hears(t, failing, "exe-1") // under the claim
	told := able.pushes(nil)
	hears(t, told, "exe-1") // at its start
	must(t, unable.d.Store.RevokeWorker(t.Context(), "exe-2", now.Add(far)))
	heard := make(chan struct{})
	go func() { // waiting for a claim goes by the clock
		for {
			select {
			case <-heard:
				return
			case <-time.After(time.Millisecond):
				able.clock.Advance(claimRenewal)
			}
		}
	}()
	hears(t, told, "exe-1 exe-2")
	close(heard)
}
