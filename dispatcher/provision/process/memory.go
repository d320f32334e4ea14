package process

import "sync"

// memoryKills tells whether the kernel has killed something for want of memory.
// It counts per cgroup, which workers share unless the runner's command gives
// them one each: then the answer is sure. Otherwise it is as sure as it can be: a
// kill was counted since the end of the last worker.
type memoryKills struct {
	mu   sync.Mutex
	seen map[string]uint64 // by cgroup
}

// struck looks at the cgroup of a process, which may be a zombie.
func (m *memoryKills) struck(pid int) bool {
	group, count, ok := countMemoryKills(pid)
	return ok && m.grew(group, count)
}

func (m *memoryKills) grew(group string, count uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.seen[group]
	m.seen[group] = count
	return count > before
}
