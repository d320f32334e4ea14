package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"multinode"
)

// folder is a worker's. The package documentation lists what is in it.
type folder struct {
	path     string
	removing string
}

func (f folder) id() string         { return filepath.Base(f.path) }
func (f folder) lock() string       { return filepath.Join(f.path, "lock") }
func (f folder) creds() string      { return filepath.Join(f.path, "runner.creds") }
func (f folder) project() string    { return filepath.Join(f.path, "project") }
func (f folder) log() string        { return filepath.Join(f.path, "runner.log") }
func (f folder) recordFile() string { return filepath.Join(f.path, "worker.json") }
func (f folder) startedFile() string {
	return filepath.Join(f.path, "started")
}
func (f folder) stoppingFile() string { return filepath.Join(f.path, "stopping") }
func (f folder) removal() string      { return filepath.Join(f.path, "removal") }
func (f folder) groupFile() string    { return filepath.Join(f.path, "group") }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (f folder) exists() bool   { return exists(f.path) }
func (f folder) started() bool  { return exists(f.startedFile()) }
func (f folder) stopping() bool { return exists(f.stoppingFile()) }

// record is what worker.json holds.
type record struct {
	Format      int       `json:"format"`
	ExecutionID string    `json:"execution_id"`
	Key         string    `json:"execution_key"`
	Project     string    `json:"project"`
	Version     string    `json:"version"`
	Function    string    `json:"function"`
	Invocation  string    `json:"invocation"`
	LaunchedAt  time.Time `json:"launched_at"`
	// PID is 0 before there is a process: then this is only the intent.
	PID int `json:"pid,omitempty"`
	// Start is the process's start time in the kernel's own unit, since boot on
	// Linux. With PID and Boot it names a process without fear of reuse.
	Start uint64 `json:"start,omitempty"`
	Boot  string `json:"boot"`
}

func (r record) process() identity { return identity{pid: r.PID, start: r.Start, boot: r.Boot} }

func (f folder) record() (record, error) {
	data, err := os.ReadFile(f.recordFile())
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, fmt.Errorf("reading %s: %w", f.recordFile(), err)
	}
	return r, nil
}

// write puts the record down whole or not at all. It is not synced: when the
// machine goes down, so does the worker.
func (f folder) write(r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	temporary := f.recordFile() + ".new"
	if err := os.WriteFile(temporary, append(data, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, f.recordFile())
}

// recorded tells whether anybody has got as far as to write down his intent.
func (f folder) recorded() bool { return exists(f.recordFile()) }

// group returns the process group that the runner has named, and when it did so.
func (f folder) group() (pgid int, written time.Time, ok bool) {
	info, err := os.Stat(f.groupFile())
	if err != nil || info.Size() > 64 {
		return 0, time.Time{}, false
	}
	data, err := os.ReadFile(f.groupFile())
	if err != nil {
		return 0, time.Time{}, false
	}
	pgid, err = strconv.Atoi(strings.TrimSpace(string(data)))
	return pgid, info.ModTime(), err == nil && pgid > 1
}

// empty removes what an earlier launch left, except for the lock.
func (f folder) empty() error {
	entries, err := os.ReadDir(f.path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if path := filepath.Join(f.path, entry.Name()); path != f.lock() {
			if err := removeAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove makes the folder disappear at once, and then deletes it. What cannot be
// deleted now stays in the folder "removing", for later.
func (f folder) remove() error {
	suffix := strings.TrimPrefix(multinode.NewID("x"), "x")
	aside := filepath.Join(f.removing, f.id()+suffix)
	if err := os.Rename(f.path, aside); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return err
	}
	_ = removeAll(aside)
	return nil
}

// removeAll is os.RemoveAll, also for folders that user code has made read-only.
func removeAll(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	_ = filepath.WalkDir(path, func(path string, entry os.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(path)
}
