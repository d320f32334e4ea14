//go:build !failpoints

package failpoint

// Hit does nothing in this build.
func Hit(string) {}

// Environment is empty in this build.
func Environment() map[string]string { return nil }
