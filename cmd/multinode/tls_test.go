package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"multinode/internal/testcert"
	"multinode/internal/testlog"
)

// tlsTasks has a function that uses the API from within its worker.
const tlsTasks = `
from multinode import Multinode

mn = Multinode()

@mn.function()
def double(n):
    return 2 * n

@mn.function()
def quadruple(n):
    return sum(double.map([n, n]))
`

// commandLine runs commands in processes of their own, with that environment, and
// returns their stdout.
func commandLine(t *testing.T, env []string) func(args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), self, args...)
		c.Env = append(os.Environ(), env...)
		c.Stderr = testlog.New(t)
		out, err := c.Output()
		if err != nil {
			t.Fatalf("multinode %s: %v", args[0], err)
		}
		return strings.TrimSpace(string(out))
	}
}

// With a certificate of one's own for the API and for NATS, the command line, the
// workers and the code that they run reach both.
func TestEverythingOverTLS(t *testing.T) {
	cert, key := testcert.Write(t, t.TempDir(), 1)
	env := []string{"SSL_CERT_FILE=" + cert}
	facts := multinodeProcess(t, env, "up", "--data-dir="+t.TempDir(), "--listen=127.0.0.1:0",
		"--tls-cert="+cert, "--tls-key="+key, "--nats-tls-cert="+cert, "--nats-tls-key="+key, "--nats-ca="+cert).start()
	if !strings.HasPrefix(facts["url"], "https://") || !strings.HasPrefix(facts["nats_url"], "tls://") {
		t.Fatalf("the server is at %v", facts)
	}
	env = append(env, "MULTINODE_API_URL="+facts["url"], "MULTINODE_API_KEY="+facts["api_key"], serveVariable+"="+environments)
	command := commandLine(t, env)
	command("deploy", project(t, map[string]string{"main.py": tlsTasks}), "--project-name=safe")
	if out := command("invoke", "--project-name=safe", "--function-name=quadruple", "--args=[3]"); out != "12" {
		t.Errorf("the result is %s", out)
	}
	// Whoever does not know the certificate is refused by it.
	s := newShell(t, nil)
	s.env["MULTINODE_API_URL"], s.env["MULTINODE_API_KEY"] = facts["url"], facts["api_key"]
	contains(t, s.mustFail(exitFailure, "list"), "certificate is not trusted", "SSL_CERT_FILE")
}
