//go:build linux || darwin

package forward

import (
	"math"

	"golang.org/x/sys/unix"
)

// files is how many this process may have open.
func files() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt64
	}
	return min(limit.Cur, math.MaxInt64)
}
