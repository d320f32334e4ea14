package embedded

import "path/filepath"

// AuthorityFile is the path of the authority's keys in a server's data folder,
// for trust.Load.
func AuthorityFile(dataDir string) string { return filepath.Join(dataDir, "nats", "identity.json") }
