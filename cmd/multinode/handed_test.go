package main

import (
	"os"
	"path/filepath"
	"testing"

	"multinode/cmd/multinode/internal/config"
	"multinode/natsconfig"
)

// A container gets its secrets as variables: a gateway and a dispatcher come up to
// the point where NATS is missing, with the files made of them.
func TestSecretsMayComeAsVariables(t *testing.T) {
	written, err := natsconfig.Write(t.TempDir(), natsconfig.Options{
		Servers: []natsconfig.Server{{Host: "127.0.0.1", Port: 4222, ClusterPort: 6222}}, StoreDir: "/var/lib/nats", MaxStore: 1 << 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{config.KeyVariable: "a-key-of-sixteen-characters"}
	for variable, path := range map[string]string{natsCredsText: written.ControlPlane, authorityText: written.Authority} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		variables[variable] = string(text)
		t.Setenv(variable, string(text))
	}
	nobody := "no NATS server answers at nats://127.0.0.1:1: start it, or give another URL: nats: no servers available for connection"
	for _, c := range []struct {
		args  []string
		files map[string]string
	}{
		{[]string{"gateway", "--listen=127.0.0.1:0"}, map[string]string{"control-plane.creds": natsCredsText}},
		{[]string{"dispatcher", "--api-url=http://gateway"}, map[string]string{"control-plane.creds": natsCredsText, "authority.json": authorityText}},
	} {
		dir := filepath.Join(t.TempDir(), "data")
		s := newShell(t, nil)
		s.env = variables
		s.expect(exitFailure, "", "Starting\nError: "+nobody+"\n", append(c.args, "--nats-url=nats://127.0.0.1:1", "--data-dir="+dir)...)
		for name, variable := range c.files {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil || string(text) != variables[variable] {
				t.Errorf("%s holds something else than %s: %v", name, variable, err)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info, err)
			}
			if os.Getenv(variable) != "" {
				t.Errorf("what is started by %s can read %s", c.args[0], variable)
			}
		}
	}
	s := newShell(t, nil)
	s.env = variables
	s.expect(exitUsage, "", "Error: --nats-creds and "+natsCredsText+" are both given: choose one\n",
		"gateway", "--nats-url=nats://127.0.0.1:1", "--nats-creds="+written.ControlPlane)
}
