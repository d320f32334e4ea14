package fargate

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode/dispatcher/provision"
)

// However many launches come at once, each is put off once, to a time that holds.
func TestALaunchThatIsPutOffKeepsItsTurn(t *testing.T) {
	clock := clockwork.NewFakeClock()
	turns := newTurns(Options{Clock: clock, LaunchRate: 10, LaunchPatience: time.Millisecond})
	turns.note("AWS has no capacity: RESOURCE:MEMORY")
	waits := map[string]time.Duration{}
	for i := range 100 {
		id := strconv.Itoa(i)
		if err := turns.wait(t.Context(), id); err != nil {
			if provision.KindOf(err) != provision.NoCapacity || !strings.Contains(err.Error(), "RESOURCE:MEMORY") || !strings.Contains(err.Error(), "10 tasks a second") {
				t.Fatal(err)
			}
			waits[id] = provision.RetryAfter(err)
		}
	}
	if len(waits) != 100-launchBurst || waits["20"] != 100*time.Millisecond || waits["99"] != 8*time.Second {
		t.Fatalf("%d have to wait: %v", len(waits), waits)
	}
	// Asking again changes nothing, before it is due.
	if err := turns.wait(t.Context(), "99"); provision.RetryAfter(err) != 8*time.Second {
		t.Error(err)
	}
	clock.Advance(8 * time.Second)
	for id := range waits {
		if err := turns.wait(t.Context(), id); err != nil {
			t.Errorf("%s has lost its turn: %v", id, err)
		}
	}
	// A turn is good for one launch, and is not kept for ever.
	turns.limiter.ReserveN(clock.Now(), launchBurst)
	if err := turns.wait(t.Context(), "99"); err == nil {
		t.Error("a turn was used twice")
	}
	clock.Advance(keepTurn + time.Minute)
	turns.limiter.ReserveN(clock.Now(), launchBurst)
	if err := turns.wait(t.Context(), "99"); err == nil {
		t.Error("a turn that nobody took was kept")
	}
}

func TestAShortWaitForATurnEndsWithItsContext(t *testing.T) {
	clock := clockwork.NewFakeClock()
	turns := newTurns(Options{Clock: clock, LaunchRate: 10, LaunchPatience: time.Second})
	turns.limiter.ReserveN(clock.Now(), launchBurst)
	result := make(chan error, 1)
	go func() { result <- turns.wait(t.Context(), "a") }()
	if err := clock.BlockUntilContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	clock.Advance(100 * time.Millisecond)
	if err := <-result; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := turns.wait(ctx, "b"); err == nil {
		t.Error("it waited on")
	}
}
