package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const waitingTasks = `
import os, time
from multinode import Multinode

mn = Multinode()

@mn.function(max_concurrency=1)
def slow(path):
    while not os.path.exists(path):
        time.sleep(0.02)

@mn.function(max_concurrency=1)
def selfish(n):
    print("level", n, flush=True)
    return selfish.call_remote(n + 1)

@mn.function(max_concurrency=1, max_retries=50)
def flaky(path):
    if not os.path.exists(path):
        raise ValueError("not yet")
`

// Who waits is told why, in words, as it is.
func TestWhyItWaitsIsSaid(t *testing.T) {
	t.Parallel()
	user := startServer(t, t.TempDir()).login()
	const name = "--project-name=waiting"
	user.mustRun("deploy", project(t, map[string]string{"main.py": waitingTasks}), name)
	path := filepath.Join(t.TempDir(), "go")
	begin := func(function, args string) []string {
		out, _ := user.mustRun("invoke", "--detach", name, "--function-name="+function, "--args", args)
		return []string{name, "--function-name=" + function, "--invocation-id=" + strings.TrimSpace(out)}
	}
	says := func(of []string, want string) {
		t.Helper()
		pattern := regexp.MustCompile("(?m)^  status    " + want)
		eventually(t, fmt.Sprintf("%v is %s", of[1:], want), func() bool {
			out, _ := user.mustRun(append([]string{"describe"}, of...)...)
			return pattern.MatchString(out)
		})
	}
	file := fmt.Sprintf("[%q]", path)

	first, second, third := begin("slow", file), begin("slow", file), begin("slow", file)
	says(first, "RUNNING$")
	says(second, "PENDING: next in line for one of 1 slot$")
	says(third, "PENDING: behind 1 other in line for one of 1 slot$")

	flaky := begin("flaky", file)
	behind := begin("flaky", file)
	// The pauses between tries grow, so that one of them is seen.
	says(flaky, `PENDING, \d+ of 51 tries have failed \(ValueError: not yet\); the next try is at `)
	says(behind, "PENDING: next in line for one of 1 slot$")

	begin("selfish", "[0]")
	says(begin("selfish", "[100]"), "PENDING: .* in line for one of 1 slot, and selfish may be stuck on itself: ")

	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, of := range [][]string{first, second, third, flaky, behind} {
		user.mustRun(append([]string{"logs", "-f"}, of...)...)
		out, _ := user.mustRun(append([]string{"describe"}, of...)...)
		contains(t, out, "status    SUCCEEDED")
	}
}
