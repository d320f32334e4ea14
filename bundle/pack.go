package bundle

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Pack archives the project folder dir. It leaves out what .gitignore and
// .multinodeignore files name, caches, virtual environments and .env files.
//
// Its errors are for the person who deploys: a folder without main.py
// (ErrNoMain), a project over a limit (ErrTooLarge), a link that leads out of the
// project, a malformed .env file (*EnvironmentError). The caller closes the
// bundle.
func Pack(dir string) (*Bundle, error) {
	root, err := projectRoot(dir)
	if err != nil {
		return nil, err
	}
	environment, err := readEnvironment(filepath.Join(root, environmentFile))
	if err != nil {
		return nil, err
	}
	entries, err := list(root)
	if err != nil {
		return nil, err
	}
	var total int64
	for _, e := range entries {
		total += e.size
	}
	if total > MaxUnpacked { // known before any work is done
		return nil, tooLarge(entries)
	}
	file, err := os.CreateTemp("", "multinode-bundle-*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("making a temporary file for the packed project: %w", err)
	}
	b := &Bundle{Environment: environment, file: file}
	if err := b.write(root, entries); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	for _, e := range entries {
		if e.kind != folder {
			b.Files = append(b.Files, e.path)
		}
	}
	return b, nil
}

// projectRoot checks that dir is a folder and resolves links on the way to it.
func projectRoot(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("finding the project folder %q: %w", dir, err)
	}
	root, err := filepath.EvalSymlinks(absolute)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no folder %q; give the folder that holds %s: %w", dir, Main, err)
	}
	if err != nil {
		return "", fmt.Errorf("finding the project folder %q: %w", dir, err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return "", fmt.Errorf("reading the project folder %q: %w", dir, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%q is not a folder; give the folder that holds %s", dir, Main)
	}
	return root, nil
}

// write fills the bundle's file, and its digest and size.
func (b *Bundle) write(root string, entries []entry) error {
	digest := sha256.New()
	packed := &limitedWriter{w: io.MultiWriter(b.file, digest), left: MaxSize}
	compressed := gzip.NewWriter(packed)
	unpacked := &limitedWriter{w: compressed, left: MaxUnpacked}
	archive := tar.NewWriter(unpacked)
	fail := func(err error) error {
		if errors.Is(err, ErrTooLarge) {
			return tooLarge(entries)
		}
		return err
	}
	for _, e := range entries {
		if err := add(archive, root, e); err != nil {
			return fail(err)
		}
	}
	if err := archive.Close(); err != nil {
		return fail(fmt.Errorf("finishing the archive: %w", err))
	}
	if err := compressed.Close(); err != nil {
		return fail(fmt.Errorf("finishing the archive: %w", err))
	}
	b.Digest = hex.EncodeToString(digest.Sum(nil))
	b.Size = MaxSize - packed.left
	return nil
}

func add(archive *tar.Writer, root string, e entry) error {
	header := &tar.Header{Name: e.path, Mode: 0o644, ModTime: time.Unix(0, 0)}
	switch e.kind {
	case folder:
		header.Typeflag, header.Name, header.Mode = tar.TypeDir, e.path+"/", 0o755
	case link:
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, e.target, 0o777
	case regular:
		header.Typeflag, header.Size = tar.TypeReg, e.size
		if e.executable {
			header.Mode = 0o755
		}
	}
	if err := archive.WriteHeader(header); err != nil {
		return fmt.Errorf("packing %s: %w", e.path, err)
	}
	if e.kind != regular {
		return nil
	}
	file, err := os.Open(filepath.Join(root, filepath.FromSlash(e.path)))
	if err != nil {
		return fmt.Errorf("packing %s: %w; if it is not needed, name it in %s", e.path, err, multinodeIgnore)
	}
	defer file.Close()
	n, err := io.Copy(archive, file)
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != e.size {
		return fmt.Errorf("%s changed while it was being packed; try again, or name it in %s", e.path, multinodeIgnore)
	}
	if err != nil {
		return fmt.Errorf("packing %s: %w", e.path, err)
	}
	return nil
}

// tooLarge names what to leave out.
func tooLarge(entries []entry) error {
	var total int64
	for _, e := range entries {
		total += e.size
	}
	largest := slices.SortedFunc(slices.Values(entries), func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.path, b.path))
	})
	var names []string
	for _, e := range largest[:min(5, len(largest))] {
		names = append(names, fmt.Sprintf("%s (%s)", e.path, size(e.size)))
	}
	return fmt.Errorf("%w: %s in %d files; at most %s packed and %s unpacked. The largest: %s. "+
		"Name what the functions do not need in %s",
		ErrTooLarge, size(total), len(entries), size(MaxSize), size(MaxUnpacked), strings.Join(names, ", "), multinodeIgnore)
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}

// limitedWriter fails with ErrTooLarge once more than left bytes came.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > l.left {
		return 0, ErrTooLarge
	}
	n, err := l.w.Write(p)
	l.left -= int64(n)
	return n, err
}
