package main

import (
	"strings"
	"testing"

	"multinode/wire"
)

func TestWrongUse(t *testing.T) {
	s := newShell(t, nil)
	in := strings.Fields
	long := "[\"" + strings.Repeat("x", 250_000) + "\"]"
	for _, c := range []struct {
		args []string
		want string
	}{
		{in("frob"), "there is no command \"frob\". Run `multinode --help` for the commands"},
		{in("lis"), "there is no command \"lis\". Did you mean `multinode list`?"},
		{in("lsit"), "there is no command \"lsit\". Did you mean `multinode list`?"},
		{in("list --frob"), "unknown flag: --frob. Run `multinode list --help` for the flags"},
		{in("list x"), "\"x\" is one argument too many. Run `multinode list --help` for an example"},
		{in("deploy"), "PROJECT_DIR is missing. Run `multinode deploy --help` for an example"},
		{in("deploy x"), "--project-name is missing. Run `multinode deploy --help` for an example"},
		{in("upgrade x --project-name="), "--project-name is missing. Run `multinode upgrade --help` for an example"},
		{in("deploy x --project-name"), "flag needs an argument: --project-name. Run `multinode deploy --help` for the flags"},
		{[]string{"deploy", "x", "--project-name", "a\nb"}, "the project name contains a control character. Choose another --project-name"},
		{[]string{"upgrade", "x", "--project-name", strings.Repeat("x", 65)}, "the project name \"" + strings.Repeat("x", 65) + "\" is too long: at most 64 characters. Choose a shorter --project-name"},
		{in("up --python /nope"), "--python is /nope, which is not a program that can be run (exec: \"/nope\": stat /nope: no such file or directory). Give the path of a Python interpreter"},
		{in("up --retention=-1h"), "the retention of finished invocations is negative. Run `multinode up --help` for the flags"},
		{in("up --retention-size=much"), "invalid argument \"much\" for \"--retention-size\" flag: write a size such as 512MiB or 10GiB. Run `multinode up --help` for the flags"},
		{in("up --max-queue=-1"), "the limit of a function's queue is negative: -1. Run `multinode up --help` for the flags"},
		{in("up --drain=-1s"), "the time to drain is negative: -1s. Run `multinode up --help` for the flags"},
		{in("gateway"), "--nats-url and --nats-creds are missing. Run `multinode gateway --help` for an example"},
		{in("dispatcher --nats-url=x"), "--nats-creds, --authority and --api-url are missing. Run `multinode dispatcher --help` for an example"},
		{in("gateway --nats-url=nats://x --nats-creds=/nope"), "the credentials file /nope does not exist. Run `multinode gateway --help` for the flags"},
		{in("nats-config --out=x"), "--server is missing. Run `multinode nats-config --help` for an example"},
		{in("nats-config --out=x --server=a:b"), "the server \"a:b\" is not HOST, HOST:PORT or HOST:PORT:CLUSTER_PORT (--server)"},
		{in("nats-config --out=x --server=a --server=b"), "there can be 1 server, or a cluster of 3 or 5, not 2. Run `multinode nats-config --help` for the flags"},
		{in("nats-config --out=x --server=a --max-store=much"), "invalid argument \"much\" for \"--max-store\" flag: write a size such as 512MiB or 10GiB. Run `multinode nats-config --help` for the flags"},
		{in("logs --project-name=p"), "--function-name and --invocation-id are missing. Run `multinode logs --help` for an example"},
		{in("cancel"), "--project-name, --function-name and --invocation-id are missing. Run `multinode cancel --help` for an example"},
		{in("undeploy"), "--project-name is missing. Run `multinode undeploy --help` for an example"},
		{in("describe"), "--project-name is missing. Run `multinode describe --help` for an example"},
		{in("describe --project-name=p --invocation-id=i"), "--invocation-id needs --function-name beside it"},
		{in("invoke --project-name=p --function-name=f --args [1,"), "--args must be a JSON array, such as --args '[1, \"two\"]': unexpected end of JSON input"},
		{in("invoke --project-name=p --function-name=f --args 3"), "--args must be a JSON array, such as --args '[1, \"two\"]'"},
		{in("invoke --project-name=p --function-name=f --args="), "--args must be a JSON array, such as --args '[1, \"two\"]': unexpected end of JSON input"},
		{in("invoke --project-name=p --function-name=f --kwargs []"), "--kwargs must be a JSON object, such as --kwargs '{\"x\": 3}'"},
		{in("invoke --project-name=p --function-name=f --kwargs {x:3}"), "--kwargs must be a JSON object, such as --kwargs '{\"x\": 3}': invalid character 'x' looking for beginning of object key string"},
		{[]string{"invoke", "--project-name=p", "--function-name=f", "--args", long}, "the arguments have 250010 characters, and must have fewer than 250000. Pass large data by reference, such as the path of a file"},
		{in("completion"), "name a shell: one of bash, fish, powershell, zsh, as in `multinode completion bash`"},
		{in("completion bash x"), "\"x\" is one argument too many. Run `multinode completion bash --help` for an example"},
	} {
		s.expect(exitUsage, "", "Error: "+c.want+"\n", c.args...)
	}
}

func TestHelpAndVersion(t *testing.T) {
	s := newShell(t, nil)
	for _, args := range [][]string{{}, {"--help"}, {"help"}, {"deploy", "--help"}, {"completion", "zsh"}} {
		if code, out, err := s.run(args...); code != exitOK || out == "" || err != "" {
			t.Errorf("%v: exit code %d, %d bytes on stdout, stderr %q", args, code, len(out), err)
		}
	}
	_, help, _ := s.run("--help")
	if strings.Contains(help, "runner") {
		t.Error("the help shows the command of the worker")
	}
	for _, name := range strings.Fields("up gateway dispatcher nats-config demo login logout deploy upgrade undeploy list describe invoke logs cancel version completion") {
		if !strings.Contains(help, "\n  "+name+" ") {
			t.Errorf("the help does not show %s", name)
		}
	}
	if code, out, _ := s.run("version"); code != exitOK || !strings.HasPrefix(out, "multinode dev (go1.") {
		t.Errorf("version: %d, %q", code, out)
	}
	if code, out, _ := s.run("--version"); code != exitOK || !strings.HasPrefix(out, "multinode dev (go1.") {
		t.Errorf("--version: %d, %q", code, out)
	}
	if code, out, _ := s.run("invoke", "--help"); code != exitOK || !strings.Contains(out, "130 an interrupt") || !strings.Contains(out, "@FILE") {
		t.Errorf("invoke --help: %d, %q", code, out)
	}
	if code, out, _ := s.run("version", "--json"); code != exitOK || !strings.Contains(out, `"version": "dev"`) {
		t.Errorf("version --json: %d, %q", code, out)
	}
}

func TestCompletionKnowsWhatIsDeployed(t *testing.T) {
	f := newFake(t)
	f.answers("GET /projects", wire.ProjectsList{Projects: []wire.ProjectInfo{{ProjectName: "my project"}, {ProjectName: "p"}}})
	f.answers("GET /projects/p/versions", wire.VersionsListForProject{Versions: []wire.VersionSummary{{VersionID: "ver-1"}}})
	f.answers("GET /projects/p/versions/latest", someVersion("add", "sub"))
	f.answers("GET "+invocations, wire.InvocationsListForFunction{Invocations: []wire.InvocationSummary{{InvocationID: "inv-1", Status: wire.StatusRunning}}})
	s := newShell(t, f)
	for flag, want := range map[string]string{
		"--project-name":  "my project\np\n",
		"--version-id":    "ver-1\n",
		"--function-name": "add\nsub\n",
		"--invocation-id": "inv-1\tRUNNING\n",
	} {
		args := []string{"__complete", "logs", "--project-name=p"}
		if flag == "--invocation-id" {
			args = append(args, "--function-name=add")
		}
		if code, out, _ := s.run(append(args, flag, "")...); code != exitOK || out != want+":4\n" {
			t.Errorf("%s: %d, %q, want %q", flag, code, out, want)
		}
	}
	if code, out, _ := newShell(t, nil).run("__complete", "logs", "--project-name", ""); code != exitOK || out != ":4\n" {
		t.Errorf("without a login: %d, %q", code, out)
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{"tasks/": "tasks/", "my project": "'my project'", "": "''", "it's": `'it'\''s'`, "ü": "'ü'"} {
		if got := shellWord(word); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", word, got, want)
		}
	}
}
