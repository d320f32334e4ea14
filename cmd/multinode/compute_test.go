package main

import "testing"

func TestComputeThatCannotBe(t *testing.T) {
	s := newShell(t, nil)
	up := func(args ...string) []string {
		return append([]string{"up", "--data-dir=" + t.TempDir(), "--listen=127.0.0.1:0"}, args...)
	}
	contains(t, s.mustFail(exitUsage, up("--provisioner=podman")...), `no provisioner "podman"`, "process, docker or fargate")
	contains(t, s.mustFail(exitUsage, up("--docker-cpus=2")...), "options for Docker")
	contains(t, s.mustFail(exitUsage, up("--provisioner=docker", "--max-workers=-1")...), "negative")
	contains(t, s.mustFail(exitFailure, up("--provisioner=docker", "--docker-host=unix:///no/such/engine.sock")...),
		"no Docker engine answers at unix:///no/such/engine.sock", "--docker-host")
}
