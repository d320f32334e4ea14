//go:build linux || darwin

package embedded

import (
	"os"

	"golang.org/x/sys/unix"
)

// diskSpace returns the bytes that an ordinary user may still write, and the
// size of the disk.
func diskSpace(dir string) (free, total uint64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	block := uint64(st.Bsize)
	return st.Bavail * block, st.Blocks * block, nil
}
