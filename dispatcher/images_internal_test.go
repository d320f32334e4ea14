package dispatcher

import (
	"errors"
	"testing"

	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/dispatcher/provision"
)

// However many launches ask for images that cannot be made, they are tried once a while.
func TestImagesThatCannotBeMadeAreLeftAloneForAWhile(t *testing.T) {
	clock := clockwork.NewFakeClock()
	m := newMissing(clock)
	v, other, broken := multinode.Version{ID: "ver-1"}, multinode.Version{ID: "ver-2"}, errors.New("broken")
	asked := func(want int) {
		t.Helper()
		if len(m.queue) != want {
			t.Errorf("%d builds are asked for, not %d", len(m.queue), want)
		}
		for range len(m.queue) {
			<-m.queue
		}
	}
	if err := m.want(v); !errors.Is(err, errNoImage) || provision.KindOf(err) != provision.Transient {
		t.Error(err)
	}
	asked(1)
	m.ended(v, broken)
	for range 3 {
		if err := m.want(v); !errors.Is(err, broken) {
			t.Error(err)
		}
	}
	asked(0)
	_ = m.want(other)
	asked(1)
	clock.Advance(rebuildPause)
	_ = m.want(v)
	asked(1)
	m.ended(v, nil)
	if err := m.want(v); !errors.Is(err, errNoImage) {
		t.Error(err)
	}
	asked(1)
}
