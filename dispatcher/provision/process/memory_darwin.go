package process

// countMemoryKills says that nobody counts here.
func countMemoryKills(int) (group string, count uint64, ok bool) { return "", 0, false }
