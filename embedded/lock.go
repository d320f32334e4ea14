package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrInUse says that another process, or another server of this one, uses the
// data folder.
var ErrInUse = errors.New("the data folder is in use")

// lockPatience is how long a held lock is waited for. A process that was killed
// while it started another one leaves the lock to that one until it has become
// another program: whoever restarts it at once would find the folder in use.
const lockPatience = time.Second

// lockFolder takes the folder for this process. The kernel lets go of it when
// the process ends, however it ends.
func lockFolder(dir string) (*flock.Flock, error) {
	path := filepath.Join(dir, "lock")
	lock := flock.New(path, flock.SetPermissions(0o600))
	waiting, cancel := context.WithTimeout(context.Background(), lockPatience)
	defer cancel()
	locked, err := lock.TryLockContext(waiting, lockPatience/50)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("lock the data folder %s: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("%w: %s is held by %s; stop that one first, or choose another folder", ErrInUse, dir, holder(path))
	}
	// The content is for people only: it is never read to decide anything.
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("lock the data folder %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || convErr != nil {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}
