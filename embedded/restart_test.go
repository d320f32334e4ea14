package embedded_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"multinode/embedded"
	"multinode/embedded/embeddedtest"
)

func TestRestartFindsEverything(t *testing.T) {
	o := embeddedtest.Options(t)
	s := embeddedtest.StartWith(t, o)
	_, js := connect(t, s)
	makeStreams(t, js)
	id, key := newExecution()
	reconnected := make(chan struct{}, 10)
	w := dialWorker(t, s, id, key, nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} }))
	if !w.putText(t, "$KV.mn-yields."+key, "before") {
		t.Fatal("refused")
	}
	client, err := s.ClientCredentials("direct", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	url := s.URL()
	embeddedtest.Close(t, s)

	s = embeddedtest.StartWith(t, o)
	if s.URL() != url {
		t.Errorf("the URL was %s and is %s", url, s.URL())
	}
	select {
	case <-reconnected:
	case <-time.After(patience):
		t.Fatal("the worker did not find the server again")
	}
	_, js = connect(t, s)
	yields, err := js.Stream(t.Context(), "KV_mn-yields")
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := stored(t, yields, "$KV.mn-yields."+key); !ok || string(m.Data) != "before" {
		t.Errorf("stored is %v", m)
	}
	if !w.putText(t, "$KV.mn-yields."+key, "after") {
		t.Error("the old credentials are refused a put")
	}
	conn, err := nats.Connect(url, nats.UserCredentialBytes(client))
	if err != nil {
		t.Fatalf("the client's credentials: %v", err)
	}
	conn.Close()
}

func TestSecondStartIsRefused(t *testing.T) {
	o := embeddedtest.Options(t)
	s := embeddedtest.StartWith(t, o)
	_, err := embedded.Start(t.Context(), o)
	if !errors.Is(err, embedded.ErrInUse) {
		t.Fatalf("the second start: %v", err)
	}
	for _, part := range []string{o.DataDir, "process " + strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	embeddedtest.Close(t, s)
	embeddedtest.StartWith(t, o)
}

func TestTakenPortIsAClearError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	o := embeddedtest.Options(t)
	o.Listen = listener.Addr().String()
	_, port, _ := net.SplitHostPort(o.Listen)
	for range 2 { // the folder is let go of each time
		_, err = embedded.Start(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), "port "+port) || !strings.Contains(err.Error(), "taken by another program") {
			t.Fatalf("a taken port: %v", err)
		}
	}
	// A failed start must not bind the folder to that port.
	o.Listen = "127.0.0.1:0"
	s := embeddedtest.StartWith(t, o)
	if strings.HasSuffix(s.URL(), ":"+port) {
		t.Errorf("the URL is %s", s.URL())
	}
}

func TestAnotherPortIsKeptFromThenOn(t *testing.T) {
	o := embeddedtest.Options(t)
	first := embeddedtest.StartWith(t, o)
	embeddedtest.Close(t, first)
	free, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	_ = free.Close()
	o.Listen = "0.0.0.0:" + port
	second := embeddedtest.StartWith(t, o)
	if want := "nats://127.0.0.1:" + port; second.URL() != want {
		t.Errorf("the URL is %s instead of %s", second.URL(), want)
	}
	embeddedtest.Close(t, second)
	o.Listen = "127.0.0.1:0"
	if third := embeddedtest.StartWith(t, o); third.URL() != second.URL() {
		t.Errorf("the URL is %s instead of %s", third.URL(), second.URL())
	}
}

func TestWrongOptionsAreReportedTogether(t *testing.T) {
	_, err := embedded.Start(t.Context(), embedded.Options{Listen: "nonsense", MaxStore: -1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"data folder", "storage limit", `"nonsense"`, "logger"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

func TestSecretsAreForTheOwnerOnly(t *testing.T) {
	o := embeddedtest.Options(t)
	embeddedtest.StartWith(t, o)
	for _, name := range []string{"identity.json", "listen.json"} {
		info, err := os.Stat(filepath.Join(o.DataDir, "nats", name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

// Keys that cannot be read must never be replaced by new ones: every worker
// and everything that is stored would be lost to them.
func TestDamagedKeysAreKept(t *testing.T) {
	o := embeddedtest.Options(t)
	embeddedtest.Close(t, embeddedtest.StartWith(t, o))
	path := filepath.Join(o.DataDir, "nats", "identity.json")
	for _, text := range []string{"", "{", "{}", `{"operator_seed":"SOAAA"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := embedded.Start(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("keys %q: %v", text, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("keys %q became %q, %v", text, after, err)
		}
	}
}

func TestFullStoreRefusesAndKeepsWhatItHas(t *testing.T) {
	o := embeddedtest.Options(t)
	o.MaxStore = 4 << 20
	s := embeddedtest.StartWith(t, o)
	_, js := connect(t, s)
	makeStreams(t, js)
	info, err := js.AccountInfo(t.Context())
	if err != nil || info.Limits.MaxStore != o.MaxStore {
		t.Fatalf("the account says %+v, %v", info, err)
	}
	fill := func() (n int, err error) {
		for n = range 100 {
			if _, err = js.Publish(t.Context(), "$KV.mn-yields.k"+strconv.Itoa(n), make([]byte, 256<<10)); err != nil {
				return n, err
			}
		}
		return n, nil
	}
	n, err := fill()
	var refused *jetstream.APIError
	if !errors.As(err, &refused) {
		t.Fatalf("after %d messages: %v", n, err)
	}
	t.Logf("a full store answers %d %d %q", refused.Code, refused.ErrorCode, refused.Description)
	embeddedtest.Close(t, s)

	// With less than is stored, everything can still be read and deleted.
	o.MaxStore = 1 << 20
	s = embeddedtest.StartWith(t, o)
	_, js = connect(t, s)
	yields, err := js.Stream(t.Context(), "KV_mn-yields")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		m, ok := stored(t, yields, "$KV.mn-yields.k"+strconv.Itoa(i))
		if !ok || len(m.Data) != 256<<10 {
			t.Fatalf("message %d of %d is not there", i, n)
		}
	}
	if _, err := js.Publish(t.Context(), "$KV.mn-yields.more", make([]byte, 1024)); !errors.As(err, &refused) {
		t.Errorf("a publish beyond the limit: %v", err)
	}
	if err := yields.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "$KV.mn-yields.more", make([]byte, 1024)); err != nil {
		t.Errorf("a publish after the purge: %v", err)
	}
}
