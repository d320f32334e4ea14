package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"multinode/bundle"
)

// Names within the folder of a project. Those that begin with a dot are work in
// progress, and left behind only by a crash.
const (
	codeFolder  = "code"
	readyName   = "ready"
	unfinished  = ".new-"
	beingMoved  = ".old-"
	beingLinked = ".link-"
)

func (b *Builder) projectFolder(digest string) string { return filepath.Join(b.projects, digest) }

func (b *Builder) readyLink(digest string) string {
	return filepath.Join(b.projectFolder(digest), readyName)
}

// project unpacks the bundle where that was not done before, and returns the
// folder of the code.
func (b *Builder) project(ctx context.Context, digest string, fetch func() (io.ReadCloser, error), tell func(string)) (string, error) {
	folder := b.projectFolder(digest)
	code := filepath.Join(folder, codeFolder)
	if _, err := os.Stat(code); err == nil {
		return code, nil
	}
	tell("Unpacking the code")
	temporary, err := os.MkdirTemp(b.projects, unfinished)
	if err != nil {
		return "", fmt.Errorf("unpacking the code: %w", err)
	}
	defer os.RemoveAll(temporary)
	if err := os.Chmod(temporary, 0o755); err != nil {
		return "", fmt.Errorf("unpacking the code: %w", err)
	}
	if err := unpack(ctx, digest, fetch, filepath.Join(temporary, codeFolder)); err != nil {
		return "", err
	}
	if err := syncFolder(temporary); err != nil {
		return "", fmt.Errorf("unpacking the code: %w", err)
	}
	// A folder without code is the rest of one that somebody deleted by halves.
	if err := os.RemoveAll(folder); err != nil {
		return "", fmt.Errorf("unpacking the code: %w", err)
	}
	if err := os.Rename(temporary, folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("unpacking the code: %w", err)
	}
	return code, nil
}

func unpack(ctx context.Context, digest string, fetch func() (io.ReadCloser, error), to string) error {
	content, err := fetch()
	if err != nil {
		return fmt.Errorf("fetching the code: %w", err)
	}
	defer content.Close()
	stop := context.AfterFunc(ctx, func() { _ = content.Close() })
	defer stop()
	sum := sha256.New()
	err = bundle.Unpack(io.TeeReader(content, sum), to)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, bundle.ErrMalformed) && !errors.Is(err, bundle.ErrTooLarge) {
		return err
	}
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != digest {
		return fmt.Errorf("fetching the code: the stored bundle %s is damaged; deploy the project again", digest)
	}
	if err != nil {
		return &Failure{Detail: err.Error() + "\nDeploy with `multinode deploy`, which makes bundles in the right form."}
	}
	if info, err := os.Stat(filepath.Join(to, bundle.Main)); err != nil || !info.Mode().IsRegular() {
		return &Failure{Detail: "there is no main.py at the top of the project"}
	}
	return nil
}

// link points the project's ready link to the marker of its environment.
func (b *Builder) link(digest string, env environment) error {
	ready := b.readyLink(digest)
	if target, err := os.Readlink(ready); err == nil && target == env.marker() {
		return nil
	}
	temporary := filepath.Join(b.projectFolder(digest), beingLinked+env.key)
	_ = os.Remove(temporary)
	if err := os.Symlink(env.marker(), temporary); err != nil {
		return fmt.Errorf("noting the environment of %s: %w", digest, err)
	}
	if err := os.Rename(temporary, ready); err != nil {
		return fmt.Errorf("noting the environment of %s: %w", digest, err)
	}
	return nil
}

// sweep removes what a crash left behind. In a shared folder of environments it may
// be the work of another process.
func (b *Builder) sweep() error {
	folders := []string{b.projects}
	if b.options.Environments == "" {
		folders = append(folders, b.environments)
	}
	for _, folder := range folders {
		children, err := os.ReadDir(folder)
		if err != nil {
			return fmt.Errorf("cleaning the cache: %w", err)
		}
		for _, child := range children {
			if !strings.HasPrefix(child.Name(), unfinished) && !strings.HasPrefix(child.Name(), beingMoved) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(folder, child.Name())); err != nil {
				return fmt.Errorf("cleaning the cache: %w", err)
			}
		}
	}
	return nil
}
