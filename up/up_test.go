package up_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"multinode/client"
	"multinode/embedded"
	"multinode/internal/testlog"
	"multinode/up"
	"multinode/wire"
)

func options(t *testing.T, dir string) up.Options {
	o := up.DefaultOptions(dir)
	o.Logger = slog.New(slog.NewTextHandler(testlog.New(t), nil))
	return o
}

func start(t *testing.T, o up.Options) *up.System {
	t.Helper()
	s, err := up.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *up.System) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func list(t *testing.T, url, key string) error {
	t.Helper()
	c, err := client.New(client.Options{URL: url, Key: key, Retry: client.Retry{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Projects(t.Context())
	return err
}

func TestARestartFindsPortsAndKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, options(t, dir))
	if err := list(t, first.URL, first.Key); err != nil {
		t.Fatal(err)
	}
	if err := list(t, first.URL, "wrong"); !errors.Is(err, wire.APIKeyIsInvalid) {
		t.Errorf("a wrong key: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "api-key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the key: %v, %v", info, err)
	}
	if _, err := up.Start(t.Context(), options(t, dir)); !errors.Is(err, embedded.ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second system on the folder: %v", err)
	}
	stop(t, first)
	var down *client.UnreachableError
	if err := list(t, first.URL, first.Key); !errors.As(err, &down) {
		t.Errorf("after the end: %v", err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}

	second := start(t, options(t, dir))
	if second.URL != first.URL || second.Key != first.Key || second.NATSURL != first.NATSURL {
		t.Errorf("the second start gives %+v, the first gave %+v", second, first)
	}
	if err := list(t, second.URL, second.Key); err != nil {
		t.Error(err)
	}
}

func TestTheGivenKeyReplacesTheKeptOne(t *testing.T) {
	dir := t.TempDir()
	first := start(t, options(t, dir))
	stop(t, first)
	o := options(t, dir)
	o.APIKey = "chosen"
	second := start(t, o)
	if err := list(t, second.URL, "chosen"); second.Key != "chosen" || err != nil {
		t.Errorf("the chosen key: %v", err)
	}
	if err := list(t, second.URL, first.Key); !errors.Is(err, wire.APIKeyIsInvalid) {
		t.Errorf("the kept key beside a chosen one: %v", err)
	}
}

func TestStartThatFailsLetsGoOfEverything(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	o := options(t, dir)
	o.Listen = taken.Addr().String()
	if _, err := up.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "taken by another program") {
		t.Errorf("a port that is taken: %v", err)
	}
	o = options(t, dir)
	o.Python = "no-such-python"
	if _, err := up.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no-such-python") {
		t.Errorf("without Python: %v", err)
	}
	start(t, options(t, dir)) // the folder is free
}

func TestOptionsAreChecked(t *testing.T) {
	for want, change := range map[string]func(*up.Options){
		"the data folder is not set":     func(o *up.Options) { o.DataDir = "" },
		"the logger is not set":          func(o *up.Options) { o.Logger = nil },
		`"8470" is not HOST:PORT`:        func(o *up.Options) { o.Listen = "8470" },
		"needs a port from 0 to 65535":   func(o *up.Options) { o.NATSListen = "127.0.0.1:x" },
		"0.0.0.0:0 can be reached from":  func(o *up.Options) { o.Listen = "0.0.0.0:0" },
		"at least 16 characters":         func(o *up.Options) { o.Listen, o.APIKey = "0.0.0.0:0", "fifteen-letters" },
		":0 can be reached from":         func(o *up.Options) { o.Listen = ":0" },
		"[::]:0 can be reached from":     func(o *up.Options) { o.Listen = "[::]:0" },
		"db.local:0 can be reached from": func(o *up.Options) { o.Listen = "db.local:0" },
	} {
		o := options(t, t.TempDir())
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check = %v, want %s", err, want)
		}
		if _, err := up.Start(t.Context(), o); err == nil {
			t.Errorf("Start took it: %s", want)
		}
	}
	for _, good := range []func(*up.Options){
		func(o *up.Options) { o.Listen = "localhost:0" },
		func(o *up.Options) { o.Listen = "[::1]:0" },
		func(o *up.Options) { o.Listen, o.APIKey = "0.0.0.0:0", "sixteen-letters!" },
	} {
		o := options(t, t.TempDir())
		good(&o)
		if err := o.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsReachableWithoutTLSIsKnown(t *testing.T) {
	for _, c := range []struct {
		api  up.API
		want bool
	}{
		{up.API{Listen: "127.0.0.1:0"}, false},
		{up.API{Listen: "0.0.0.0:0"}, true},
		{up.API{Listen: "0.0.0.0:0", TLSCert: "cert.pem", TLSKey: "key.pem"}, false},
	} {
		if got := c.api.Clear(); got != c.want {
			t.Errorf("%+v: %t", c.api, got)
		}
	}
}
