package process

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// keepHouse bounds what the folder holds, until the provisioner is closed.
func (p *Provisioner) keepHouse() {
	ticker := time.NewTicker(p.options.Housekeeping)
	defer ticker.Stop()
	for {
		p.clear()
		select {
		case <-ticker.C:
		case <-p.closing:
			return
		}
	}
}

// clear deletes what Stop could not, and shortens logs.
func (p *Provisioner) clear() {
	leftovers, _ := os.ReadDir(p.removingDir())
	for _, leftover := range leftovers {
		if err := removeAll(filepath.Join(p.removingDir(), leftover.Name())); err != nil {
			p.options.Logger.Warn("leftovers of a worker cannot be deleted", slog.Any("error", err))
		}
	}
	entries, _ := os.ReadDir(p.workersDir())
	for _, entry := range entries {
		path := p.folder(entry.Name()).log()
		if err := shorten(path, p.options.LogLimit); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.options.Logger.Warn("a worker's log cannot be shortened", slog.Any("error", err))
		}
	}
}

// shorten keeps the newest quarter of a log above the limit, in place: the runner
// has it open, for appending. Lines written at this very moment may be lost.
func shorten(path string, limit int64) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil || info.Size() <= limit {
		return err
	}
	keep := make([]byte, limit/4)
	n, err := file.ReadAt(keep, info.Size()-int64(len(keep)))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err = file.Write(append([]byte("[the log was too long: the beginning is gone]\n"), keep[:n]...))
	return err
}
