package up_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"multinode/embedded"
	"multinode/embedded/embeddedtest"
	"multinode/internal/testlog"
	"multinode/trust"
	"multinode/up"
)

// site is a NATS server with what processes by themselves need.
type site struct {
	nats      up.NATS
	authority string
	system    string // credentials of another account
}

func newSite(t *testing.T) site {
	t.Helper()
	o := embeddedtest.Options(t)
	server := embeddedtest.StartWith(t, o)
	s := site{authority: filepath.Join(o.DataDir, "nats", "identity.json")}
	authority, err := trust.Load(s.authority)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, mint func(string, time.Time) ([]byte, error)) string {
		text, err := mint(name, time.Time{})
		path := filepath.Join(o.DataDir, name)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	s.nats = up.NATS{URL: server.URL(), Creds: write("app.creds", authority.ClientCredentials)}
	s.system = write("system.creds", authority.SystemCredentials)
	return s
}

func (s site) gateway(t *testing.T, dir string) up.GatewayOptions {
	return up.GatewayOptions{
		DataDir: dir, NATS: s.nats, API: up.API{Listen: "127.0.0.1:0", APIKey: "chosen"},
		Logger: slog.New(slog.NewTextHandler(testlog.New(t), nil)),
	}
}

func (s site) dispatcher(t *testing.T, dir string) up.DispatcherOptions {
	return up.DispatcherOptions{
		DataDir: dir, NATS: s.nats, Authority: s.authority, Dispatch: up.Dispatch{APIURL: "http://127.0.0.1:1"},
		Logger: slog.New(slog.NewTextHandler(testlog.New(t), nil)),
	}
}

func ready(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode
}

func TestAGatewayDrainsBeforeItEnds(t *testing.T) {
	s := newSite(t)
	o := s.gateway(t, t.TempDir())
	o.Drain = time.Hour // until the test has seen it
	g, err := up.StartGateway(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if status := ready(t, g.URL); status != http.StatusOK {
		t.Errorf("GET /ready answers %d", status)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Stop(ctx); err == nil {
		t.Error("it did not drain")
	}
	for ready(t, g.URL) != http.StatusServiceUnavailable { // Stop is heard a moment later
		time.Sleep(time.Millisecond)
	}
	if err := list(t, g.URL, "chosen"); err != nil {
		t.Errorf("while it drains: %v", err)
	}
	answer, err := http.Get(g.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK || !answer.Close {
		t.Errorf("while it drains GET / answers %s and keeps the connection", answer.Status)
	}
}

func TestSeveralGatewaysAndDispatchersShareAServer(t *testing.T) {
	s := newSite(t)
	for range 2 {
		g, err := up.StartGateway(t.Context(), s.gateway(t, t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, g) })
		if err := list(t, g.URL, "chosen"); err != nil {
			t.Error(err)
		}
		d, err := up.StartDispatcher(t.Context(), s.dispatcher(t, t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(t, d) })
	}
}

func TestWhyAGatewayCannotStart(t *testing.T) {
	s := newSite(t)
	refused := func(want string, o up.GatewayOptions) error {
		t.Helper()
		g, err := up.StartGateway(t.Context(), o)
		if err == nil {
			stop(t, g)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("StartGateway: %v, want %s", err, want)
		}
		return err
	}
	o := s.gateway(t, t.TempDir())
	o.APIKey = ""
	if err := refused("no API key is stored yet", o); !errors.Is(err, up.ErrKeyRequired) {
		t.Error(err)
	}
	for want, change := range map[string]func(*up.GatewayOptions){
		"does not exist":              func(o *up.GatewayOptions) { o.Creds += "x" },
		"credentials file for NATS":   func(o *up.GatewayOptions) { o.Creds = "" },
		"the URL of NATS is not set":  func(o *up.GatewayOptions) { o.URL = "" },
		"1 to 5 replicas":             func(o *up.GatewayOptions) { o.Replicas = 7 },
		"is no cluster":               func(o *up.GatewayOptions) { o.Replicas = 3 },
		"no NATS server answers":      func(o *up.GatewayOptions) { o.URL = "nats://127.0.0.1:1" },
		"account without JetStream":   func(o *up.GatewayOptions) { o.Creds = s.system },
		"does not accept":             func(o *up.GatewayOptions) { o.Creds = newSite(t).nats.Creds },
		"is not HOST:PORT":            func(o *up.GatewayOptions) { o.Listen = "x" },
		"no PEM certificate":          func(o *up.GatewayOptions) { o.CA = o.Creds },
		"certificate and a key":       func(o *up.GatewayOptions) { o.Cert = "cert.pem" },
		"the data folder is not set":  func(o *up.GatewayOptions) { o.DataDir = "" },
		"TLS of API needs a certific": func(o *up.GatewayOptions) { o.TLSCert = "cert.pem" },
	} {
		o := s.gateway(t, t.TempDir())
		change(&o)
		_ = refused(want, o)
	}
	dir := t.TempDir()
	first, err := up.StartGateway(t.Context(), s.gateway(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := refused("give each its own", s.gateway(t, dir)); !errors.Is(err, embedded.ErrInUse) {
		t.Error(err)
	}
	stop(t, first)
	// A key is stored now: none has to be given.
	o = s.gateway(t, dir)
	o.APIKey = ""
	again, err := up.StartGateway(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := list(t, again.URL, "chosen"); err != nil {
		t.Error(err)
	}
	stop(t, again)
}

func TestWhyADispatcherCannotStart(t *testing.T) {
	s := newSite(t)
	for want, change := range map[string]func(*up.DispatcherOptions){
		"workers reach the API":   func(o *up.DispatcherOptions) { o.APIURL = "" },
		"authority's file, with":  func(o *up.DispatcherOptions) { o.Authority = "" },
		"no such file":            func(o *up.DispatcherOptions) { o.Authority = filepath.Join(t.TempDir(), "none") },
		"different installations": func(o *up.DispatcherOptions) { o.Authority = newSite(t).authority },
		"no-such-python":          func(o *up.DispatcherOptions) { o.Python = "no-such-python" },
	} {
		o := s.dispatcher(t, t.TempDir())
		change(&o)
		d, err := up.StartDispatcher(t.Context(), o)
		if err == nil {
			stop(t, d)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("StartDispatcher: %v, want %s", err, want)
		}
	}
	if _, err := os.Stat(s.authority); errors.Is(err, fs.ErrNotExist) {
		t.Error("the authority's file has gone")
	}
}
