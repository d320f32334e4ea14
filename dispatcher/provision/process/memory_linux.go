package process

import (
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// cgroupRoot is where the unified hierarchy is; tests move it.
var cgroupRoot = "/sys/fs/cgroup"

// countMemoryKills reads how many processes of the process's cgroup the kernel
// has killed for want of memory. It is false where there is no unified hierarchy.
func countMemoryKills(pid int) (group string, count uint64, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", 0, false
	}
	for line := range strings.Lines(string(data)) {
		if own, ok := strings.CutPrefix(line, "0::"); ok {
			group = strings.TrimSpace(own)
			count, ok := readMemoryKills(group)
			return group, count, ok
		}
	}
	return "", 0, false
}

func readMemoryKills(group string) (uint64, bool) {
	data, err := os.ReadFile(path.Join(cgroupRoot, path.Clean("/"+group), "memory.events"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, "oom_kill "); ok {
			count, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return count, err == nil
		}
	}
	return 0, false
}
