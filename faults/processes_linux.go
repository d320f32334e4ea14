package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mark is a variable that processes of a run have in their environment, down to
// what user code has started: workers inherit what begins with LC_.
const mark = "LC_MULTINODE_FAULTS"

// process is one of a run.
type process struct {
	pid     int
	command []string
}

func (p process) runner() bool { return len(p.command) > 1 && p.command[1] == "runner" }

// code tells whether it is the user's Python.
func (p process) code() bool {
	return strings.Contains(strings.Join(p.command, " "), "multinode._worker.harness")
}

// server tells whether it is one that the run itself has started.
func (p process) server(binary string) bool {
	return p.command[0] == binary && !p.runner() || strings.HasSuffix(p.command[0], "nats-server")
}

// processes lists those of a run that live.
func processes(run string) []process {
	var found []process
	folders, _ := filepath.Glob("/proc/[0-9]*")
	wanted := []byte("\x00" + mark + "=" + run + "\x00")
	for _, folder := range folders {
		environment, err := os.ReadFile(filepath.Join(folder, "environ"))
		if err != nil || !bytes.Contains(append([]byte{0}, environment...), wanted) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err != nil || len(line) == 0 {
			continue // it has ended
		}
		pid, _ := strconv.Atoi(filepath.Base(folder))
		found = append(found, process{pid, strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")})
	}
	return found
}
