//go:build failpoints

package failpoint

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// The environment variables that arm points. Variable names them: NAME or
// NAME=COUNT, separated by commas; the process dies by SIGKILL at the COUNTth hit
// (1 unless told). Where OnceVariable names a folder, a point kills one process
// only, of all that share the folder, and leaves a file of its name there.
// ClockVariable names a file that says how wrong the wall clock is: see stepped.go.
const (
	Variable      = "MULTINODE_FAILPOINTS"
	OnceVariable  = "MULTINODE_FAILPOINTS_ONCE"
	ClockVariable = "MULTINODE_CLOCK_FILE"
)

// raceVariable has the race detector, where it is built in, write to files: what a
// worker prints goes with its folder.
const raceVariable = "GORACE"

var points = struct {
	sync.Mutex
	left map[string]int
}{left: parse(os.Getenv(Variable))}

func parse(text string) map[string]int {
	left := map[string]int{}
	for name := range strings.SplitSeq(text, ",") {
		name, count, _ := strings.Cut(strings.TrimSpace(name), "=")
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			n = 1
		}
		left[name] = n
	}
	return left
}

// Hit kills the process, as kill -9 would, if the point is armed and this is the
// hit it waits for.
func Hit(name string) {
	points.Lock()
	defer points.Unlock()
	n, armed := points.left[name]
	if !armed {
		return
	}
	if points.left[name] = n - 1; n > 1 {
		return
	}
	delete(points.left, name)
	if !mine(name) {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // nothing may happen after the point
}

// mine tells whether no other process has died at the point.
func mine(name string) bool {
	folder := os.Getenv(OnceVariable)
	if folder == "" {
		return true
	}
	file, err := os.OpenFile(filepath.Join(folder, name), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	_ = file.Close()
	return true
}

// Environment is what arms a process that this one starts.
func Environment() map[string]string {
	values := map[string]string{}
	for _, name := range []string{Variable, OnceVariable, ClockVariable, raceVariable} {
		if value := os.Getenv(name); value != "" {
			values[name] = value
		}
	}
	return values
}
