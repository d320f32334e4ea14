package config

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestFileKeepsWhatBelongsToOthers(t *testing.T) {
	f := At(t.TempDir())
	if l, err := f.Load(); err != nil || l.Complete() {
		t.Fatalf("Load without a file = %+v, %v; want an empty login", l, err)
	}
	want := Login{URL: "http://127.0.0.1:8470", Key: "secret"}
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode().Perm())
	}

	if err := os.WriteFile(f.Path(), []byte(`{"theme": {"dark": true}, "api_url": "http://x", "api_key": null}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := f.Load(); err != nil || l != (Login{URL: "http://x"}) {
		t.Fatalf("Load = %+v, %v", l, err)
	}
	if err := f.Save(Login{}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.Path())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if len(fields) != 1 || fields["theme"] == nil {
		t.Errorf("fields after logout = %v, want theme alone", fields)
	}
}

func TestDamagedFileIsNamed(t *testing.T) {
	for _, text := range []string{`{`, `[]`, `{"api_key": 3}`} {
		f := At(t.TempDir())
		if err := f.Save(Login{URL: "x"}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := f.Load()
		if err == nil || !strings.Contains(err.Error(), f.Path()) || !strings.Contains(err.Error(), "multinode login") {
			t.Errorf("Load of %s = %v, want an error that names the file and the next command", text, err)
		}
	}
}

func TestOverride(t *testing.T) {
	env := map[string]string{KeyVariable: "other"}
	l := Override(Login{URL: "u", Key: "k"}, func(n string) string { return env[n] })
	if l != (Login{URL: "u", Key: "other"}) {
		t.Errorf("Override = %+v", l)
	}
}
