package dispatcher

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

// contender is a dispatcher that wants a claim, with a connection and a clock of
// its own.
type contender struct {
	t     *testing.T
	d     *Dispatcher
	clock *clockwork.FakeClock
	// began gets the context of each run of what is done under the claim, which
	// ends with it or with a word on finish.
	began  chan context.Context
	finish chan struct{}
	ended  chan error
	// cut ends the connection.
	cut func()
}

func newContender(t *testing.T, server *embedded.Server, now time.Time) *contender {
	t.Helper()
	nc, err := server.Connect("contender")
	must(t, err)
	t.Cleanup(nc.Close)
	store, err := streams.Open(t.Context(), nc, streams.Options{})
	must(t, err)
	t.Cleanup(store.Close)
	clock := clockwork.NewFakeClockAt(now)
	return &contender{
		t: t, clock: clock, d: &Dispatcher{Options: Options{Store: store, Clock: clock}, log: slog.New(slog.DiscardHandler)},
		began: make(chan context.Context, 1), finish: make(chan struct{}), ended: make(chan error, 1), cut: nc.Close,
	}
}

func (c *contender) contend() {
	go func() {
		c.ended <- c.d.whileClaimed(c.t.Context(), "work", func(ctx context.Context) error {
			c.began <- ctx
			select {
			case <-ctx.Done():
			case <-c.finish:
			}
			return nil
		})
	}()
}

// passes lets so much time pass for this one alone, a look or renewal at a time.
func (c *contender) passes(d time.Duration) {
	c.t.Helper()
	for ; d > 0; d -= claimRenewal {
		must(c.t, c.clock.BlockUntilContext(c.t.Context(), 1))
		c.clock.Advance(min(d, claimRenewal))
	}
	must(c.t, c.clock.BlockUntilContext(c.t.Context(), 1))
}

func (c *contender) waits() {
	c.t.Helper()
	select {
	case <-c.began:
		c.t.Fatal("both have the claim")
	default:
	}
}

func TestAClaimIsOneDispatchersUntilItGivesItUp(t *testing.T) {
	server := embeddedtest.Start(t)
	// Their clocks disagree by days, which is nothing to a claim.
	a := newContender(t, server, time.Unix(1_700_000_000, 0))
	b := newContender(t, server, time.Unix(1_700_000_000, 0).Add(72*time.Hour))
	a.contend()
	doing := <-a.began
	b.contend()
	for range 10 { // five times as long as a claim lasts without renewal
		a.passes(claimFor / 2)
		b.passes(claimFor / 2)
		b.waits()
	}
	if doing.Err() != nil {
		t.Fatalf("the holder lost it: %v", context.Cause(doing))
	}
	a.finish <- struct{}{}
	must(t, <-a.ended)
	b.clock.Advance(claimRenewal)
	<-b.began
	b.finish <- struct{}{}
	must(t, <-b.ended)
}

func TestAClaimOfAPausedHolderIsTaken(t *testing.T) {
	server := embeddedtest.Start(t)
	a, b := newContender(t, server, time.Now()), newContender(t, server, time.Now().Add(-time.Hour))
	a.contend()
	doing := <-a.began
	must(t, a.clock.BlockUntilContext(t.Context(), 1)) // it will renew no more
	b.contend()
	b.passes(claimFor - claimRenewal)
	b.waits()
	b.clock.Advance(claimRenewal)
	<-b.began
	a.clock.Advance(claimFor) // it wakes
	<-doing.Done()
	if err := <-a.ended; !errors.Is(err, errClaimLost) {
		t.Errorf("the paused holder ended with %v", err)
	}
	holder, _, err := b.d.Store.Claim(t.Context(), "work")
	if must(t, err); holder == "" {
		t.Error("the paused holder gave up what was not its own any more")
	}
	b.finish <- struct{}{}
	must(t, <-b.ended)
}

func TestAHolderWithoutNATSStopsBeforeItsClaimCanBeTaken(t *testing.T) {
	a := newContender(t, embeddedtest.Start(t), time.Now())
	a.contend()
	doing := <-a.began
	must(t, a.clock.BlockUntilContext(t.Context(), 1))
	a.cut()
	a.clock.Advance(claimGivenUp)
	<-doing.Done()
	if err := <-a.ended; !errors.Is(err, errClaimLost) {
		t.Errorf("it ended with %v", err)
	}
}

func TestARenewalWhoseAnswerWasLostIsNoLoss(t *testing.T) {
	a := newContender(t, embeddedtest.Start(t), time.Now())
	c := &claim{d: a.d, name: "work", holder: "a"}
	must(t, c.take(t.Context()))
	_, err := a.d.Store.PutClaim(t.Context(), "work", "a", c.revision) // its answer did not come
	must(t, err)
	must(t, c.renew(t.Context()))
	_, err = a.d.Store.PutClaim(t.Context(), "work", "b", c.revision)
	must(t, err)
	if err := c.renew(t.Context()); !errors.Is(err, errClaimLost) {
		t.Errorf("the renewal of another's claim: %v", err)
	}
}

// A renewal at the very end may be stored and not be answered: the claim is given up
// all the same.
func TestAClaimIsGivenUpAfterARenewalWithoutAnAnswer(t *testing.T) {
	d := newContender(t, embeddedtest.Start(t), time.Now()).d
	c := &claim{d: d, name: "work", holder: "me"}
	must(t, c.take(t.Context()))
	_, err := d.Store.PutClaim(t.Context(), "work", "me", c.revision)
	must(t, err)
	c.giveUp(t.Context())
	holder, revision, err := d.Store.Claim(t.Context(), "work")
	if must(t, err); holder != "" {
		t.Errorf("%q still has it", holder)
	}
	// What is another's by now stays that one's.
	_, err = d.Store.PutClaim(t.Context(), "work", "another", revision)
	must(t, err)
	c.giveUp(t.Context())
	if holder, _, err = d.Store.Claim(t.Context(), "work"); err != nil || holder != "another" {
		t.Errorf("%q has it: %v", holder, err)
	}
}
