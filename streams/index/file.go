package index

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// schema is raised by every change to the layout or the encoding; a file with
// another number is made again.
const schema = 3

// lockTimeout is how long to wait for another process to let go of the file.
const lockTimeout = time.Second

var (
	bucketEntries    = []byte("entries")
	bucketPlaces     = []byte("places")
	bucketLists      = []byte("lists")
	bucketUnfinished = []byte("unfinished")
	bucketFinished   = []byte("finished")
	bucketCounts     = []byte("counts")
	bucketMeta       = []byte("meta")

	keySchema  = []byte("schema")
	keyApplied = []byte("applied")
	keyAt      = []byte("at")
	keyBoot    = []byte("boot")
)

// errDistrusted is why a file that may be whole is made again all the same.
var errDistrusted = errors.New("the file was not closed before the machine stopped")

// file is the bbolt file, which may be replaced by an empty one at any time.
type file struct {
	path string
	// boot is the ID of the machine's current boot; "" where it is not known.
	boot string
	log  *slog.Logger

	// mu is held for reading during a transaction and for writing while db is
	// opened, replaced or closed.
	mu     sync.RWMutex
	db     *bbolt.DB // nil once closed, or where it could not be replaced
	closed bool
	// onDamage is called with mu held for reading; it must not block.
	onDamage func()
}

// bootID is the machine's, on Linux. Where there is none, every file that was
// not closed cleanly is made again.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

// openFile opens or makes the file and returns the revision that it stands at.
func openFile(path, boot string, log *slog.Logger) (*file, uint64, error) {
	f := &file{path: path, boot: boot, log: log, onDamage: func() {}}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, 0, fmt.Errorf("make the folder of the index: %w", err)
	}
	applied, err := f.open()
	var system *fs.PathError
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, 0, fmt.Errorf("open the index %s: %w", path, ErrInUse)
	case errors.As(err, &system):
		return nil, 0, fmt.Errorf("open the index: %w", err)
	case err != nil:
		log.Info("the index file is made again", "path", path, "reason", err)
		return f, 0, f.replace()
	}
	return f, applied, nil
}

// open opens the file at path and notes the boot in it. Any error but that of a
// lock or of the file system means that the file is to be replaced.
func (f *file) open() (applied uint64, err error) {
	var db *bbolt.DB
	err = guard(func() error {
		var err error
		db, err = bbolt.Open(f.path, 0o600, &bbolt.Options{
			Timeout:      lockTimeout,
			FreelistType: bbolt.FreelistMapType,
			NoStatistics: true,
		})
		if err != nil {
			return err
		}
		if err := checkSize(db); err != nil {
			return err
		}
		// This one transaction is synced: the note has to be on disk before
		// anything is written without a sync.
		return db.Update(func(tx *bbolt.Tx) error {
			applied, err = f.prepare(tx)
			return err
		})
	})
	if err != nil {
		abandon(db)
		return 0, err
	}
	db.NoSync = true
	f.db = db
	return applied, nil
}

// checkSize finds a file that was cut off.
func checkSize(db *bbolt.DB) error {
	var used int64
	if err := db.View(func(tx *bbolt.Tx) error { used = tx.Size(); return nil }); err != nil {
		return err
	}
	info, err := os.Stat(db.Path())
	if err != nil {
		return err
	}
	if info.Size() < used {
		return fmt.Errorf("%w: %d bytes of at least %d", ErrDamaged, info.Size(), used)
	}
	return nil
}

// prepare makes the buckets of an empty file and judges any other by its notes.
func (f *file) prepare(tx *bbolt.Tx) (applied uint64, err error) {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		for _, name := range [][]byte{bucketEntries, bucketPlaces, bucketLists, bucketUnfinished, bucketFinished, bucketCounts, bucketMeta} {
			if _, err := tx.CreateBucket(name); err != nil {
				return 0, err
			}
		}
		meta = tx.Bucket(bucketMeta)
		if err := putNumber(meta, keySchema, schema); err != nil {
			return 0, err
		}
		return 0, meta.Put(keyBoot, []byte(f.boot))
	}
	if got := getNumber(meta, keySchema); got != schema {
		return 0, fmt.Errorf("it has schema %d, this program writes %d", got, schema)
	}
	if note := meta.Get(keyBoot); note != nil && (f.boot == "" || string(note) != f.boot) {
		return 0, errDistrusted
	}
	return getNumber(meta, keyApplied), meta.Put(keyBoot, []byte(f.boot))
}

// replace puts an empty file in the place of this one.
func (f *file) replace() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	abandon(f.db)
	f.db = nil
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the index file: %w", err)
	}
	if _, err := f.open(); err != nil {
		return fmt.Errorf("make the index file again: %w", err)
	}
	return nil
}

// close syncs the file and takes the boot note away, so that it is trusted after
// any restart.
func (f *file) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	db := f.db
	if f.db = nil; db == nil {
		return nil
	}
	err := guard(func() error {
		if err := db.Sync(); err != nil {
			return err
		}
		db.NoSync = false
		return db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyBoot) })
	})
	if err != nil {
		// It is not worth keeping, and bbolt may not let go of its lock.
		_ = os.Remove(f.path)
		abandon(db)
		return fmt.Errorf("close the index: %w", err)
	}
	return db.Close()
}

// view runs fn in a read transaction; what it reads is valid only in there.
func (f *file) view(fn func(*bbolt.Tx) error) error {
	return f.transact(func(db *bbolt.DB) error { return db.View(fn) })
}

// update runs fn in the write transaction; all of it happens or nothing.
func (f *file) update(fn func(*bbolt.Tx) error) error {
	return f.transact(func(db *bbolt.DB) error { return db.Update(fn) })
}

func (f *file) transact(fn func(*bbolt.DB) error) error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch {
	case f.closed:
		return ErrClosed
	case f.db == nil:
		return ErrDamaged // it was, and could not be replaced yet
	}
	err := guard(func() error { return fn(f.db) })
	if errors.Is(err, ErrDamaged) {
		f.onDamage()
	}
	return err
}

// guard turns what bbolt does on meeting a damaged file, a panic or a fault in
// its mapping, into ErrDamaged.
func guard(fn func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return fn()
}

// abandon closes a file that is not needed any more, in the background: after a
// panic inside a transaction, bbolt may hold the locks that Close waits for. The
// damaged file has been unlinked by then, so nobody else can want its lock.
func abandon(db *bbolt.DB) {
	if db != nil {
		go func() { _ = guard(db.Close) }()
	}
}

func getNumber(b *bbolt.Bucket, key []byte) uint64 {
	v := b.Get(key)
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

func putNumber(b *bbolt.Bucket, key []byte, n uint64) error {
	return b.Put(key, binary.BigEndian.AppendUint64(nil, n))
}
