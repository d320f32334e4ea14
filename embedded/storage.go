package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

const (
	gib = 1 << 30
	// maxReserve and the share of the disk below bound what is left free for
	// everything else on the disk, and for the server's own indexes and state.
	maxReserve     = 10 * gib
	reservePerCent = 10
	smallestGrowth = 1 << 20
	// lastPart of the reserve, and at most lastRoom, is for bringing to its end what
	// was accepted, when others fill the disk.
	lastPart        = 4
	lastRoom        = 512 << 20
	jetStreamMemory = 256 << 20
)

// storeLimit is what may be stored in all: what is there already, plus the free
// disk less the reserve. It is never below what is there, so that a full disk
// leaves everything readable.
func storeLimit(used int64, free, total uint64) int64 {
	reserve := min(total/100*reservePerCent, maxReserve)
	if free <= reserve {
		return used + smallestGrowth
	}
	return used + max(int64(free-reserve), smallestGrowth)
}

// roomLeft is what the disk can take until only the last of the reserve is left.
func roomLeft(free, total uint64) int64 {
	return int64(free) - int64(min(total/100*reservePerCent/lastPart, lastRoom))
}

// Room returns how many bytes the disk can take before nothing more should be
// accepted: below 0 it is time to stop. A stream that meets a full disk writes
// nothing more until the server is started again.
func (s *Server) Room() (int64, error) {
	free, total, err := diskSpace(s.options.DataDir)
	return roomLeft(free, total), err
}

// maxStore works the limit out for this folder.
func maxStore(dir string) (int64, error) {
	used, err := folderSize(dir)
	if err != nil {
		return 0, fmt.Errorf("measure what is stored in %s: %w", dir, err)
	}
	free, total, err := diskSpace(dir)
	if err != nil {
		return 0, fmt.Errorf("measure the disk of %s (set the storage limit to go without): %w", dir, err)
	}
	return storeLimit(used, free, total), nil
}

func folderSize(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
