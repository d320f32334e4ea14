//go:build failpoints

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Variable is the environment variable that arms points: NAME or NAME=COUNT,
// separated by commas. The process dies by SIGKILL at the COUNTth hit (1 unless
// told).
const Variable = "MULTINODE_FAILPOINTS"

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
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // nothing may happen after the point
}
