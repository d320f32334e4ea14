package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// disk is a file system of a server's own, small enough to be filled.
type disk struct{ dir string }

// diskSize is enough for a run's data.
const diskSize = "512m"

var errNoDisk = errors.New("a disk of one's own takes Linux and root")

// newDisk mounts one on a folder.
func newDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+diskSize+",mode=700"); err != nil {
		return nil, fmt.Errorf("%w: %w", errNoDisk, err)
	}
	return &disk{dir}, nil
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes all room that is left, and what others give back meanwhile as long as
// full says so.
func (d *disk) fill(full func() bool) error {
	file, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	for size := 1 << 20; full(); {
		_, err := file.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC) && size > 1:
			size /= 2
		case errors.Is(err, syscall.ENOSPC):
			size = 1 << 10
			time.Sleep(breath)
		case err != nil:
			return errors.Join(err, file.Close())
		}
	}
	return file.Close()
}

// free gives the room back.
func (d *disk) free() error { return os.Remove(d.ballast()) }

// close unmounts it, though somebody may still look at it.
func (d *disk) close() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }
