package natsconfig_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"multinode/natsconfig"
	"multinode/trust"
)

func cluster(t *testing.T) natsconfig.Options {
	t.Helper()
	o := natsconfig.Options{StoreDir: "/var/lib/nats", MaxStore: 10 << 30, MonitorPort: 8222}
	for _, text := range []string{"10.0.0.1", "nats-b.example.com:4333", "[fd00::3]:4222:7000"} {
		s, err := natsconfig.ParseServer(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Servers = append(o.Servers, s)
	}
	return o
}

func TestFilesAreForTheOwnerAndSecretsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "nats")
	first, err := natsconfig.Write(dir, cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{first.Authority, first.ControlPlane, first.System}
	before := map[string][]byte{}
	for _, path := range append(secrets, first.Configs...) {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
		if before[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	if want := "nats://10.0.0.1:4222,nats://nats-b.example.com:4333,nats://[fd00::3]:4222"; first.URL != want {
		t.Errorf("the URL is %s, not %s", first.URL, want)
	}

	o := cluster(t)
	o.MaxStore = 20 << 30
	if _, err := natsconfig.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	for _, path := range secrets {
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before[path], after) {
			t.Errorf("%s has changed, %v", path, err)
		}
	}
	if after, err := os.ReadFile(first.Configs[0]); err != nil || !strings.Contains(string(after), "max_file_store: 21474836480") {
		t.Errorf("the configuration is the old one, %v", err)
	}
	authority, err := trust.Load(first.Authority)
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Vouches(first.ControlPlane); err != nil {
		t.Error(err)
	}
	if err := authority.Vouches(first.System); err == nil {
		t.Error("the credentials of the system account pass for the control plane's")
	}
	other, err := natsconfig.Write(t.TempDir(), cluster(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Vouches(other.ControlPlane); err == nil || !strings.Contains(err.Error(), "different installations") {
		t.Errorf("another installation's credentials: %v", err)
	}
}

func TestWhatEachServerIsTold(t *testing.T) {
	o := cluster(t)
	o.TLSCert, o.TLSKey, o.TLSCA = "/etc/nats/cert.pem", "/etc/nats/key.pem", "/etc/nats/ca.pem"
	w, err := natsconfig.Write(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(w.Configs[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`server_name: "nats-2"`, `host: "0.0.0.0"`, `client_advertise: "nats-b.example.com:4333"`, "max_payload: 8388608",
		"@10.0.0.1:6222\"", "@[fd00::3]:7000\"", `ca_file: "/etc/nats/ca.pem"`, `dir: "/var/lib/nats/accounts"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in:\n%s", want, text)
		}
	}
	for _, not := range []string{"@nats-b.example.com", "sync_interval"} {
		if strings.Contains(string(text), not) {
			t.Errorf("%s in:\n%s", not, text)
		}
	}
	o.Servers = o.Servers[:1]
	if w, err = natsconfig.Write(t.TempDir(), o); err != nil {
		t.Fatal(err)
	}
	if text, err = os.ReadFile(w.Configs[0]); err != nil || !strings.Contains(string(text), "sync_interval: always") || strings.Contains(string(text), "cluster {") {
		t.Errorf("a single server: %v\n%s", err, text)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*natsconfig.Options){
		"not 2":                func(o *natsconfig.Options) { o.Servers = o.Servers[:2] },
		"used twice":           func(o *natsconfig.Options) { o.Servers[1] = o.Servers[0] },
		"not an absolute path": func(o *natsconfig.Options) { o.StoreDir = "data" },
		"at least 1 GiB":       func(o *natsconfig.Options) { o.MaxStore = 1 << 20 },
		"one of them is not":   func(o *natsconfig.Options) { o.TLSKey = "key.pem" },
		"certificate authority, which is not set": func(o *natsconfig.Options) {
			o.TLSCert, o.TLSKey = "cert.pem", "key.pem"
		},
		"monitoring port": func(o *natsconfig.Options) { o.MonitorPort = -1 },
	} {
		o := cluster(t)
		change(&o)
		if _, err := natsconfig.Write(t.TempDir(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, text := range []string{"", ":4222", "a:b", "a:0", "a:1:2:3", "a:70000", "[::1]x"} {
		if s, err := natsconfig.ParseServer(text); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
}
