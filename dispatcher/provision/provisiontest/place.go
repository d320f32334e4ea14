package provisiontest

import "testing"

func placeIsKept(t *testing.T, b, other *bench) {
	first := b.open(t, 0)
	name := first.Place()
	if name == "" {
		t.Error("the place has no name")
	}
	if second := b.open(t, 0).Place(); second != name {
		t.Errorf("a second provisioner calls the place %s, not %s", second, name)
	}
	first.close(t)
	if again := b.open(t, 0).Place(); again != name {
		t.Errorf("after a restart the place is called %s, not %s", again, name)
	}
	if elsewhere := other.open(t, 0).Place(); elsewhere == name {
		t.Errorf("two places are called %s", name)
	}
}
