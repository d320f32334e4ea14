package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A program that calls functions over NATS gets in with what this prints, while
// the server runs.
func TestCredentialsOpenTheServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	server := startServer(t, dir)
	s := newShell(t, nil)
	content, _ := s.mustRun("credentials", "--name=my service", "--expires=1h", "--data-dir="+dir)
	port, err := os.ReadFile(filepath.Join(dir, "nats", "listen.json"))
	if err != nil {
		t.Fatal(err)
	}
	var listen struct{ Port json.Number }
	if err := json.Unmarshal(port, &listen); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect("nats://127.0.0.1:"+listen.Port.String(), nats.UserCredentialBytes([]byte(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.KeyValue(t.Context(), "mn-invocations"); err != nil {
		t.Error(err)
	}
	server.stop()
	s.mustRun("credentials", "--name=x", "--json", "--authority="+filepath.Join(dir, "nats", "identity.json"))
}

func TestCredentialsNeedTheServersKeys(t *testing.T) {
	s := newShell(t, nil)
	contains(t, s.mustFail(exitUsage, "credentials", "--name=x", "--data-dir="+t.TempDir()), "--data-dir", "--authority")
	contains(t, s.mustFail(exitUsage, "credentials", "--name=x", "--expires=-1h"), "--expires")
	contains(t, s.mustFail(exitUsage, "credentials"), "--name is missing")
}
