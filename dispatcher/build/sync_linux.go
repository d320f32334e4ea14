package build

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncFolder puts all of a folder on disk, with the rest of its file system: a
// marker or a name must not outlive a power cut that its files did not.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return unix.Syncfs(int(folder.Fd()))
}
