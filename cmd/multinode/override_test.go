package main

import (
	"strings"
	"testing"

	"multinode/images"
	"multinode/images/imagestest"
)

// overrideTasks have a function with an image of its own, and a main.py that tries what
// it can do with the ticket of its build: the init that started both can be read.
const overrideTasks = `
import glob, importlib.util, os, urllib.error, urllib.request
from multinode import Multinode

def steal():
    for file in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(file) as stream:
                found = dict(pair.split("=", 1) for pair in stream.read().split("\0") if "=" in pair)
        except OSError:
            continue
        if "MULTINODE_BUILD_TICKET" in found:
            yield found

seen = list(steal())
if seen or "MULTINODE_BUILD_URL" in os.environ:
    print("tickets seen:", len(seen), "in my own environment:", "MULTINODE_BUILD_TICKET" in os.environ)
for found in seen:
    for session in ({}, {"Multinode-Build-Session": "mine"}):
        for method, what, body in (("GET", "order", None), ("GET", "bundle", None), ("PUT", "report", b'{"failure": "by me"}')):
            request = urllib.request.Request(
                found["MULTINODE_BUILD_URL"] + what, body, {"Authorization": "Bearer " + found["MULTINODE_BUILD_TICKET"], **session}, method=method)
            try:
                with urllib.request.urlopen(request) as answer:
                    print("stolen:", what, answer.read(100))
            except urllib.error.HTTPError as error:
                print("refused:", what, error.code)

mn = Multinode()

def about():
    with open("written", "w") as stream:  # the project's folder is its own
        stream.write("x")
    return [open("/opt/own/word").read(), importlib.util.find_spec("idna") is not None, os.getuid()]

@mn.function(docker_image_override="%s")
def own():
    return about()

@mn.function()
def other():
    import os
    return os.path.exists("/opt/own/word")
`

// A function may name an image of its own: the project is put on top of it. What runs
// while an image is built learns nothing that it could use.
func TestAFunctionBringsItsOwnImage(t *testing.T) {
	if testing.Short() {
		t.Skip("runs containers")
	}
	base := imagestest.ServeBase(t)
	own := imagestest.Extend(t, base, "1234:1234", images.Content{From: imagestest.File(t, "mine"), To: "/opt/own/word"})
	p := containerServer(t, t.TempDir(), nil, "--base-image="+base)
	user := loginTo(t, p.start())
	const name = "--project-name=p"
	dir := project(t, map[string]string{"main.py": strings.Replace(overrideTasks, "%s", own, 1), "requirements.txt": "idna\n"})
	_, stderr := user.mustRun("deploy", dir, name)
	contains(t, stderr, "Building on "+own, "tickets seen: 1 in my own environment: False", "refused: order 401", "refused: bundle 401", "refused: report 401")
	if strings.Contains(stderr, "stolen") {
		t.Errorf("the ticket of a build is good for the code that it builds:\n%s", stderr)
	}
	if out, _ := user.mustRun("invoke", name, "--function-name=own"); strings.TrimSpace(out) != `["mine", true, 1234]` {
		t.Errorf("in the image of its own the result is %s", out)
	}
	if out, _ := user.mustRun("invoke", name, "--function-name=other"); strings.TrimSpace(out) != "false" {
		t.Errorf("in the default image the result is %s", out)
	}

	// An image that cannot be had, or built on, is the project's fault, with the reason.
	missing := project(t, map[string]string{"main.py": strings.Replace(overrideTasks, "%s", base+"-missing", 1)})
	contains(t, user.mustFail(exitFailure, "upgrade", missing, name), base+"-missing", "no such image")
	user.mustRun("undeploy", name)
	p.stop()
}
