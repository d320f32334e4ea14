package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"multinode/client"
	"multinode/internal/testcert"
	"multinode/wire"
)

// NATS servers may demand certificates of their clients, as docs/operations.md says:
// gateways and dispatchers have one, and workers are sent to a server of the cluster
// that demands none.
func TestNATSServersThatDemandCertificates(t *testing.T) {
	t.Parallel()
	cert, key := testcert.Write(t, t.TempDir(), 1)
	demand := func(i int, text string) string {
		if i == 2 { // the workers' server
			return text
		}
		before, after, found := strings.Cut(text, "\ntls {\n")
		if !found {
			t.Fatalf("there is no TLS in\n%s", text)
		}
		return before + "\ntls {\n  ca_file: \"" + cert + "\"\n  verify: true\n" + after
	}
	f := site{
		servers: 3, processes: 1, edit: demand, workersAt: 3,
		config: []string{"--tls-cert=" + cert, "--tls-key=" + key, "--tls-ca=" + cert},
		flags:  []string{"--nats-ca=" + cert, "--nats-cert=" + cert, "--nats-key=" + key},
	}.start(t)
	user := newShell(t, nil)
	user.poll = 50 * time.Millisecond
	user.mustRun("login", "--url="+f.balancer.URL, "--key="+fleetKey)
	user.mustRun("deploy", project(t, map[string]string{"main.py": fleetTasks}), "--project-name=fleet")
	at := client.Function{Project: "fleet", Version: client.Latest, Name: "quick"}
	started, err := f.api.Start(t.Context(), at, wire.InvocationDefinition{Input: fleetInput(t.TempDir(), 1)}, "")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := f.api.Await(t.Context(), at.Invocation(started.InvocationID)); err != nil || info.Status != wire.StatusSucceeded {
		t.Errorf("%v, %+v", err, info)
	}

	// A gateway without NATS serves, and sends load balancers away.
	status := func(path string) int {
		answer, err := http.Get(f.gatewayURLs[0] + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	for _, p := range f.nats {
		p.kill()
	}
	eventually(t, "the gateway is not ready", func() bool { return status("/ready") == http.StatusServiceUnavailable })
	if got := status("/"); got != http.StatusOK {
		t.Errorf("GET / answers %d", got)
	}
	for _, p := range f.nats {
		p.launch()
	}
	eventually(t, "the gateway is ready again", func() bool { return status("/ready") == http.StatusOK })

	// Without a certificate there is no way in where every server demands one, and the
	// error says so.
	alone := &fleet{t: t, folder: t.TempDir()}
	alone.startNATS(site{servers: 1, edit: demand, config: []string{"--tls-cert=" + cert, "--tls-key=" + key}})
	s := newShell(t, nil)
	s.env["MULTINODE_API_KEY"] = fleetKey
	contains(t, s.mustFail(exitFailure, "gateway", "--nats-url="+alone.url, "--nats-creds="+alone.creds, "--nats-ca="+cert,
		"--data-dir="+t.TempDir(), "--listen=127.0.0.1:0"), "demands a client certificate")
}
