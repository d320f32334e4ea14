package up_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"multinode/client"
	"multinode/internal/testcert"
	"multinode/up"
	"multinode/wire"
)

// trusting is a client that knows the certificate in the file.
func trusting(t *testing.T, cert string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	return &http.Client{Transport: transport}
}

func TestAPIOverTLS(t *testing.T) {
	o := options(t, t.TempDir())
	pems := t.TempDir()
	o.TLSCert, o.TLSKey = testcert.Write(t, pems, 1)
	s := start(t, o)
	if !strings.HasPrefix(s.URL, "https://127.0.0.1:") {
		t.Fatalf("the URL is %s", s.URL)
	}
	trusted := trusting(t, o.TLSCert)
	c, err := client.New(client.Options{URL: s.URL, Key: s.Key, HTTP: trusted, Retry: client.Retry{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Projects(t.Context()); err != nil {
		t.Error(err)
	}
	var down *client.UnreachableError
	if err := list(t, s.URL, s.Key); !errors.As(err, &down) {
		t.Errorf("a client that does not know the certificate: %v", err)
	}
	if err := list(t, "http"+strings.TrimPrefix(s.URL, "https"), s.Key); err == nil || errors.Is(err, wire.APIKeyIsInvalid) {
		t.Errorf("without TLS: %v", err)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL, "https://"), old); err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 was accepted")
	}

	// A renewal needs no restart.
	testcert.Write(t, pems, 2)
	later := time.Now().Add(time.Second) // file systems may not tell two quick writes apart
	if err := os.Chtimes(o.TLSCert, later, later); err != nil {
		t.Fatal(err)
	}
	answer, err := trusting(t, o.TLSCert).Get(s.URL + "/ready")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if serial := answer.TLS.PeerCertificates[0].SerialNumber.String(); serial != "2" || answer.StatusCode != http.StatusOK {
		t.Errorf("the certificate is number %s, and the answer %s", serial, answer.Status)
	}
	if answer, err := trusted.Get(s.URL + "/ready"); err == nil {
		_ = answer.Body.Close()
		t.Error("the old certificate is served still")
	}
}

func TestNATSOverTLS(t *testing.T) {
	o := options(t, t.TempDir())
	o.NATSTLSCert, o.NATSTLSKey = testcert.Write(t, t.TempDir(), 1)
	o.NATSCA = o.NATSTLSCert
	s := start(t, o)
	if err := list(t, s.URL, s.Key); err != nil { // the server is reached from within
		t.Error(err)
	}
	if !strings.HasPrefix(s.NATSURL, "tls://127.0.0.1:") {
		t.Errorf("the URL of NATS is %s", s.NATSURL)
	}
	// Known or not is decided before the credentials are looked at.
	if nc, err := nats.Connect(s.NATSURL, nats.RootCAs(o.NATSCA)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("with the authority: %v, %v", nc, err)
	}
	if nc, err := nats.Connect(s.NATSURL); err == nil || errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("without the authority: %v, %v", nc, err)
	}
}

func TestTLSOptionsAreChecked(t *testing.T) {
	cert, key := testcert.Write(t, t.TempDir(), 1)
	for want, change := range map[string]func(*up.Options){
		"one of them is not set": func(o *up.Options) { o.TLSCert = cert },
		"TLS of NATS":            func(o *up.Options) { o.NATSTLSKey = key },
		"read the certificate":   func(o *up.Options) { o.TLSCert, o.TLSKey = cert, cert },
		"no PEM certificate":     func(o *up.Options) { o.NATSCA = key },
		"is not like https":      func(o *up.Options) { o.APIURL = "example.com" },
		"time to drain":          func(o *up.Options) { o.Drain = -1 },
	} {
		o := options(t, t.TempDir())
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check = %v, want %s", err, want)
		}
	}
}
