package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"multinode/images/imagestest"
	"multinode/internal/testcert"
)

// changeTasks have a function that ends when a file is there.
const changeTasks = tlsTasks + `
@mn.function()
def held(path):
    import os, time
    print("waiting", flush=True)
    while not os.path.exists(path):
        time.sleep(0.05)
    return "held"
`

// A data folder whose workers were processes goes on with containers, and back again:
// what is deployed is prepared once more, and what runs runs to its end. All of it
// over TLS, with a certificate that the images do not know.
func TestADataFolderChangesItsCompute(t *testing.T) {
	if testing.Short() {
		t.Skip("runs containers")
	}
	cert, key := testcert.Write(t, t.TempDir(), 1)
	data := t.TempDir()
	containers := containerServer(t, data, nil, "--base-image="+imagestest.ServeBase(t), "--api-ca="+cert,
		"--tls-cert="+cert, "--tls-key="+key, "--nats-tls-cert="+cert, "--nats-tls-key="+key, "--nats-ca="+cert)
	var args []string
	for _, arg := range containers.args {
		if !strings.HasPrefix(arg, "--provisioner") && !strings.HasPrefix(arg, "--docker") && !strings.HasPrefix(arg, "--base-image") {
			args = append(args, arg)
		}
	}
	processes := &process{t: t, path: containers.path, args: args, env: containers.env}

	facts := processes.start()
	command := commandLine(t, []string{
		"SSL_CERT_FILE=" + cert, "MULTINODE_API_URL=" + facts["url"], "MULTINODE_API_KEY=" + facts["api_key"], serveVariable + "=" + environments,
	})
	const name = "--project-name=p"
	command("deploy", project(t, map[string]string{"main.py": changeTasks}), name)
	invoke := func() {
		t.Helper()
		if out := command("invoke", name, "--function-name=quadruple", "--args=[3]"); out != "12" {
			t.Errorf("the result is %s", out)
		}
	}
	invoke()
	file := filepath.Join(t.TempDir(), "go")
	out := command("invoke", "--detach", name, "--function-name=held", `--args=["`+file+`"]`)
	of := []string{name, "--function-name=held", "--invocation-id=" + out}
	for !strings.Contains(out, "waiting") {
		out = command(append([]string{"logs"}, of...)...)
	}
	processes.stop()

	containers.start()
	invoke()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	command(append([]string{"logs", "-f"}, of...)...)
	out = command(append([]string{"describe"}, of...)...)
	contains(t, out, "SUCCEEDED", `"held"`)
	if strings.Contains(out, "Execution 2") {
		t.Errorf("the change of compute used up a try:\n%s", out)
	}
	containers.stop()

	processes.start()
	invoke()
	processes.stop()
}
