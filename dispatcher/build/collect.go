package build

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// minAge is how long what was made or asked for stays in any case: whoever says
// what to keep may not know yet of what is being deployed.
const minAge = time.Hour

// Keep removes the projects that are not among these digests, and the environments
// that no project is left for, unless they were used within the last hour. It does
// nothing while code is being prepared: call it every now and then. What it removes
// is made again by Locate.
func (b *Builder) Keep(digests []string) error { return b.keep(digests, minAge) }

func (b *Builder) keep(digests []string, age time.Duration) error {
	if !b.inUse.TryLock() {
		return nil
	}
	defer b.inUse.Unlock()
	before := time.Now().Add(-age)
	needed, err := b.keepProjects(digests, before)
	if err == nil && b.options.Environments == "" {
		err = b.keepEnvironments(needed, before)
	}
	if err != nil {
		return fmt.Errorf("removing code that is not needed any more: %w", err)
	}
	return nil
}

// keepProjects returns the markers of the environments that are still needed.
func (b *Builder) keepProjects(digests []string, before time.Time) (needed map[string]bool, err error) {
	children, err := os.ReadDir(b.projects)
	if err != nil {
		return nil, err
	}
	needed = map[string]bool{}
	for _, child := range children {
		digest := child.Name()
		info, err := child.Info()
		if err != nil || !validDigest(digest) {
			continue
		}
		if slices.Contains(digests, digest) || !info.ModTime().Before(before) || b.usedSince(digest, before) {
			if marker, err := os.Readlink(b.readyLink(digest)); err == nil {
				needed[marker] = true
			}
			continue
		}
		b.mu.Lock()
		delete(b.located, digest)
		b.mu.Unlock()
		// Away from its place in one step: Locate must not find half of it.
		old := filepath.Join(b.projects, beingMoved+digest)
		if err := errors.Join(os.RemoveAll(old), os.Rename(b.projectFolder(digest), old), os.RemoveAll(old)); err != nil {
			return nil, err
		}
		b.log.Info("project removed from the cache", "digest", digest)
	}
	return needed, nil
}

func (b *Builder) usedSince(digest string, since time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.located[digest].used.Before(since)
}

func (b *Builder) keepEnvironments(needed map[string]bool, before time.Time) error {
	children, err := os.ReadDir(b.environments)
	if err != nil {
		return err
	}
	for _, child := range children {
		if !child.IsDir() || strings.HasPrefix(child.Name(), ".") {
			continue
		}
		env := environment{key: child.Name(), dir: filepath.Join(b.environments, child.Name())}
		info, err := os.Stat(env.dir)
		if err != nil || needed[env.marker()] || !info.ModTime().Before(before) {
			continue
		}
		// The marker first: a crash half-way must not leave a ruin that looks whole.
		if err := os.Remove(env.marker()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.RemoveAll(env.dir); err != nil {
			return err
		}
		b.log.Info("environment removed from the cache", "environment", env.key)
	}
	return nil
}
