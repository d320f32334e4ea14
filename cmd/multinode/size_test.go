package main

import "testing"

func TestSize(t *testing.T) {
	for text, want := range map[string]struct {
		bytes size
		shown string
	}{
		"0": {0, "0"}, "10GiB": {10 << 30, "10GiB"}, "1.5 GiB": {3 << 29, "1536MiB"}, "512MiB": {512 << 20, "512MiB"},
		"1024": {1024, "1KiB"}, "7B": {7, "7B"}, "2TiB": {2 << 40, "2TiB"},
	} {
		var s size
		if err := s.Set(text); err != nil || s != want.bytes || s.String() != want.shown {
			t.Errorf("%q is %d (%s), %v", text, s, &s, err)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "10GB", "1e30TiB", "NaN", "x"} {
		if s := size(7); s.Set(text) == nil || s != 7 {
			t.Errorf("%q was taken", text)
		}
	}
}
