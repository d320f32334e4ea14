package aws_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commands are those of README.md, in their order.
func commands(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	must(t, err)
	var all []string
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, block[1])
	}
	return "set -euo pipefail\n" + strings.Join(all, "\n")
}

// The commands work together: what one needs, an earlier one has made. Terraform and
// AWS are stood in for; they answer what the module says.
func TestTheCommandsOfTheREADME(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	p := mustPlan(t, nil)
	n := &node{t: t, dir: t.TempDir()}
	outputs := ""
	for _, name := range []string{"url", "repository", "nats_config"} {
		outputs += `*"output -raw ` + name + `") printf %s '` + output(t, p, name).AsString() + "' ;;\n"
	}
	n.program("terraform", `case "$*" in `+outputs+`esac`)
	n.program("aws", `for word in "$@"; do case $word in file://*) test -s "${word#file://}" ;; esac || exit 1; done
case "$*" in *get-random-password*) echo random ;; *get-secret-value*) echo secret ;; *get-login-password*) echo password ;; esac`)
	// The program that is built notes its calls; it makes the files of NATS for real.
	n.write("/multinode", "#!/bin/sh\necho \"multinode $*\" >>"+n.dir+"/called\ncase $1 in nats-config) exec "+program(t, "multinode")+" \"$@\" ;; esac\n")
	n.program("go", `case "$1" in build) mkdir -p dist && cp `+n.dir+`/multinode dist/multinode ;; run) test "$MULTINODE_REGISTRY_PASSWORD" = password && echo "`+image+`" ;; esac`)
	cmd := exec.Command("bash", "-c", commands(t))
	cmd.Dir = filepath.Join(n.dir, "clone")
	must(t, os.MkdirAll(filepath.Join(cmd.Dir, "infra/aws/example"), 0o755))
	cmd.Env = []string{"PATH=" + filepath.Join(n.dir, "bin") + ":/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(n.dir, "called"))
	must(t, err)
	called := string(text)
	// Every secret that there is gets a value.
	want := []string{"put-secret-value --secret-id " + output(t, p, "api_key_secret").AsString() + " --secret-string random"}
	for file, secret := range output(t, p, "secrets").AsValueMap() {
		want = append(want, "put-secret-value --secret-id "+secret.AsString()+" --secret-string file://nats/"+file)
	}
	want = append(want,
		"go run ./cmd/image --push "+said["aws_ecr_repository.control_plane.repository_url"],
		"wait services-stable --cluster "+resource(t, p, "var.name").AsString()+" --services "+
			resource(t, p, "aws_ecs_service.gateway").AsValueSlice()[0].GetAttr("name").AsString()+" "+
			resource(t, p, "aws_ecs_service.dispatcher").AsValueSlice()[0].GetAttr("name").AsString(),
		"multinode login --url="+output(t, p, "url").AsString()+" --key=secret",
	)
	for _, line := range want {
		if !strings.Contains(called, line+"\n") {
			t.Errorf("nobody calls %q:\n%s", line, called)
		}
	}
	variables, err := os.ReadFile(filepath.Join(cmd.Dir, "infra/aws/example/image.auto.tfvars"))
	must(t, err)
	if string(variables) != "image = \""+image+"\"\n" {
		t.Errorf("the second apply is told %s", variables)
	}
}
