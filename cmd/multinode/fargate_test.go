package main

import (
	"strings"
	"testing"

	"multinode/dispatcher/provision/fargate/fakeecs"
	"multinode/images/imagestest"
)

const fargateTasks = `
import os, sys, time
from datetime import timedelta
import idna
from multinode import Multinode

mn = Multinode()

@mn.function(cpu=0.5, memory="256 MiB")
def about(*args):
    print("to stdout", args, flush=True)
    print("to stderr", file=sys.stderr, flush=True)
    return {"version": 1, "idna": idna.encode("ä").decode()}

@mn.function(max_retries=1)
def fails(text):
    raise ValueError(text)

@mn.function()
def double(n):
    return 2 * n

@mn.function()
def steps(n):
    for i in range(n):
        yield i

@mn.function()
def forever():
    print("waiting", flush=True)
    while True:
        time.sleep(0.05)
`

// onFargate starts the real program on a stand-in for ECS, whose tasks are real
// containers of this machine's engine.
func onFargate(t *testing.T) (*fakeecs.Server, *process) {
	t.Helper()
	imagestest.RequireEngine(t)
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	ecs := fakeecs.New(fakeecs.Options{Run: fakeecs.Containers})
	t.Cleanup(ecs.Close)
	repository, stop, err := imagestest.Serve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	p := &process{t: t, path: path, args: []string{
		"up", "--data-dir=" + t.TempDir(), "--listen=127.0.0.1:0", "--provisioner=fargate", "--base-image=" + imagestest.ServeBase(t),
		"--repository=" + repository + "/projects", "--fargate-cluster=" + fakeecs.ClusterARN, "--fargate-subnets=subnet-1,subnet-2",
		"--fargate-security-groups=sg-1", "--fargate-execution-role=arn:aws:iam::" + fakeecs.Account + ":role/worker",
		"--fargate-log-group=" + fakeecs.LogGroup, "--fargate-queue-url=" + ecs.URL + fakeecs.QueuePath, "--json",
	}, env: []string{
		"HOME=" + t.TempDir(), "AWS_ENDPOINT_URL=" + ecs.URL, "AWS_ACCESS_KEY_ID=key", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true",
	}}
	return ecs, p
}

func TestTheJourneyOnFargate(t *testing.T) {
	if testing.Short() {
		t.Skip("runs containers")
	}
	ecs, p := onFargate(t)
	facts := p.start()
	user := loginTo(t, facts)
	dir := project(t, map[string]string{"main.py": fargateTasks, "requirements.txt": "idna\n"})
	const name = "--project-name=my project"

	_, stderr := user.mustRun("deploy", dir, name)
	contains(t, stderr, "Collecting idna", "Importing main.py", "Prepared version ver-",
		"The function about: 0.5 CPUs and 0.25 GiB are rounded up to a size of Fargate: 0.5 CPUs and 1 GiB are charged")
	registered := len(ecs.Families())

	out, stderr := user.mustRun("invoke", name, "--function-name=about", "--args=[1, 2]")
	if got := strings.TrimSpace(out); got != `{"version": 1, "idna": "xn--4ca"}` {
		t.Errorf("the result is %s", got)
	}
	contains(t, stderr, "│ to stdout (1, 2)", "│ to stderr", "SUCCEEDED")
	out, _ = user.mustRun("logs", name, "--function-name=about", "--invocation-id="+invocationID.FindString(stderr))
	contains(t, out, "to stdout (1, 2)\n", "to stderr\n")
	if out, _ := user.mustRun("invoke", name, "--function-name=steps", "--args=[5]"); out != "4\n" {
		t.Errorf("the last yield is %q", out)
	}
	stderr = user.mustFail(exitFailure, "invoke", name, "--function-name=fails", "--args", `["no good"]`)
	contains(t, stderr, "│ ValueError: no good")
	out, _ = user.mustRun("describe", name, "--function-name=fails", "--invocation-id="+invocationID.FindString(stderr))
	contains(t, out, "FAILED, 2 failed attempts")
	if n := len(ecs.Families()); n != registered {
		t.Errorf("%d task definitions were registered by invocations", n-registered)
	}

	running := startForever(t, user, name)
	cancelled := []string{name, "--function-name=forever", "--invocation-id=" + running}
	user.mustRun(append([]string{"cancel"}, cancelled...)...)
	out, _ = user.mustRun(append([]string{"logs", "-f"}, cancelled...)...)
	contains(t, out, "waiting\n", "InvocationCancelledError is raised")
	out, _ = user.mustRun(append([]string{"describe"}, cancelled...)...)
	contains(t, out, "CANCELLED")

	trouble(t, ecs, user, name)

	startForever(t, user, name)
	p.stop()
	if again := p.start(); again["url"] != facts["url"] {
		t.Fatalf("after a restart the server is at %s, not at %s", again["url"], facts["url"])
	}
	user.mustRun("undeploy", name)
	p.stop()
	for _, task := range ecs.Tasks() {
		if task.Desired != "STOPPED" {
			t.Errorf("a task is left: %+v", task)
		}
	}
}

// trouble is what AWS is known for, as its users see it.
func trouble(t *testing.T, ecs *fakeecs.Server, user *shell, name string) {
	t.Helper()
	double := func(arg string) (of []string) {
		out, _ := user.mustRun("invoke", "--detach", name, "--function-name=double", "--args="+arg)
		return []string{name, "--function-name=double", "--invocation-id=" + invocationID.FindString(out)}
	}
	describe := func(of []string) string {
		out, _ := user.mustRun(append([]string{"describe"}, of...)...)
		return out
	}

	// A shortage is why it waits, and uses up no try.
	ecs.Inject("RunTask", fakeecs.NoMemory)
	waiting := double("[1]")
	for {
		if out := describe(waiting); strings.Contains(out, "PENDING: no capacity: ") {
			contains(t, out, "AWS has no capacity: RESOURCE:MEMORY", "the next try is at ")
			break
		} else if !strings.Contains(out, "PENDING") {
			t.Fatalf("it does not wait: %s", out)
		}
	}
	// So is one that shows only when the task should start.
	ecs.Inject("RunTask", fakeecs.LateNoCapacity)
	user.mustRun(append([]string{"logs", "-f"}, waiting...)...) // until it has ended
	if out := describe(waiting); !strings.Contains(out, "SUCCEEDED") || strings.Contains(out, "failed attempt") {
		t.Errorf("after a shortage: %s", out)
	}

	// Spot capacity that is taken back from a worker uses up a try.
	ecs.Inject("RunTask", fakeecs.SpotInterrupted)
	out, _ := user.mustRun("invoke", "--detach", name, "--function-name=forever")
	lost := []string{name, "--function-name=forever", "--invocation-id=" + invocationID.FindString(out)}
	user.mustRun(append([]string{"logs", "-f"}, lost...)...)
	contains(t, describe(lost), "FAILED, 1 failed attempt", "Spot")

	// What can never start ends it, and the log says why.
	ecs.Inject("RunTask", fakeecs.NoSuchImage)
	failed := double("[2]")
	out, _ = user.mustRun(append([]string{"logs", "-f"}, failed...)...)
	contains(t, out, "CannotPullContainerError")
	contains(t, describe(failed), "FAILED")
}
