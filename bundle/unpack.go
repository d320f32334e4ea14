package bundle

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Unpack makes the folder dir from an archive. The archive is not trusted: what
// leads out of dir, what is over the limits and what Pack never makes is refused
// with ErrMalformed or ErrTooLarge. Nothing is at dir before all of it is; dir
// must not exist, its parent must. It reads r to its end.
func Unpack(r io.Reader, dir string) error { return unpack(r, dir, limits{MaxUnpacked, MaxFiles}) }

// limits are lower in tests, for speed.
type limits struct {
	size    int64
	entries int
}

func unpack(r io.Reader, dir string, limit limits) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("unpacking the bundle to %s: %w", dir, fs.ErrExist)
	}
	temporary, err := os.MkdirTemp(filepath.Dir(dir), TemporaryPrefix+"*")
	if err != nil {
		return fmt.Errorf("unpacking the bundle: %w", err)
	}
	err = unpackInto(temporary, r, limit)
	if err == nil {
		err = os.Chmod(temporary, 0o755)
	}
	if err == nil {
		err = os.Rename(temporary, dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("unpacking the bundle: %w", err), os.RemoveAll(temporary))
	}
	return nil
}

// TemporaryPrefix begins the names of the folders in which Unpack works, beside
// its result. They are left behind only by a crash.
const TemporaryPrefix = ".unpacking-"

// maxPath is what operating systems take, in bytes.
const maxPath = 4096

type unpacker struct {
	root *os.Root
	// made holds all paths made so far; true for those that are folders.
	made map[string]bool
	// links are made last: until then no path can lead through one.
	links map[string]string
	// count is of entries and of made folders.
	count, limit int
}

// unpackInto fills an empty folder.
func unpackInto(dir string, r io.Reader, limit limits) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	source := &source{r: r}
	err = unpackEntries(root, source, limit)
	if source.err != nil {
		return fmt.Errorf("reading the bundle: %w", source.err)
	}
	return err
}

func unpackEntries(root *os.Root, r io.Reader, limit limits) error {
	compressed, err := gzip.NewReader(r)
	if err != nil {
		return malformed("it is no gzip stream", err)
	}
	content := &limitedReader{r: compressed, left: limit.size, limit: limit.size}
	archive := tar.NewReader(content)
	u := &unpacker{root: root, limit: limit.entries, made: map[string]bool{".": true}, links: map[string]string{}}
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return malformed("it is no tar archive", err)
		}
		if err := u.entry(header, archive); err != nil {
			return err
		}
	}
	// What follows the archive's end is checked too, and read: the caller may be
	// computing the digest of it all.
	if _, err := io.Copy(io.Discard, content); err != nil {
		return malformed("its end is damaged", err)
	}
	return u.makeLinks()
}

func (u *unpacker) entry(header *tar.Header, content io.Reader) error {
	if u.count++; u.count > 2*u.limit {
		return fmt.Errorf("%w: more than %d files and folders", ErrTooLarge, u.limit)
	}
	name := strings.TrimSuffix(header.Name, "/")
	if len(name) > maxPath || strings.Count(name, "/") >= MaxDepth || !fs.ValidPath(name) || !filepath.IsLocal(filepath.FromSlash(name)) || strings.IndexByte(name, 0) >= 0 {
		return malformed(fmt.Sprintf("%q is no path within a project", header.Name), nil)
	}
	if _, taken := u.made[name]; taken || u.links[name] != "" {
		return malformed(fmt.Sprintf("%q comes twice", name), nil)
	}
	if err := u.folders(path.Dir(name)); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return u.folders(name)
	case tar.TypeReg:
		u.made[name] = false
		return u.file(name, header, content)
	case tar.TypeSymlink:
		u.links[name] = header.Linkname
		return checkLink(name, header.Linkname)
	}
	return malformed(fmt.Sprintf("%q is neither file, folder nor symbolic link", name), nil)
}

// folders makes the folder and those above it, where missing.
func (u *unpacker) folders(name string) error {
	isFolder, made := u.made[name]
	if made && isFolder {
		return nil
	}
	if made || u.links[name] != "" {
		return malformed(fmt.Sprintf("%q is a folder and something else, too", name), nil)
	}
	if err := u.folders(path.Dir(name)); err != nil {
		return err
	}
	// Folders may come implied by a file's path: they count as well.
	if u.count++; u.count > 2*u.limit {
		return fmt.Errorf("%w: more than %d files and folders", ErrTooLarge, u.limit)
	}
	u.made[name] = true
	if err := u.root.Mkdir(filepath.FromSlash(name), 0o755); err != nil {
		return notMade(name, err)
	}
	return nil
}

func (u *unpacker) file(name string, header *tar.Header, content io.Reader) error {
	mode := fs.FileMode(0o644)
	if header.Mode&0o111 != 0 {
		mode = 0o755
	}
	file, err := u.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return notMade(name, err)
	}
	_, err = io.Copy(file, content)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		return err // the disk's fault, not the archive's
	}
	if err != nil {
		return malformed(fmt.Sprintf("%q is damaged", name), err)
	}
	return nil
}

func (u *unpacker) makeLinks() error {
	for name, target := range u.links {
		if err := u.root.Symlink(filepath.FromSlash(target), filepath.FromSlash(name)); err != nil {
			return notMade(name, err)
		}
	}
	return nil
}

// checkLink refuses a target outside of the archive. The link lies in a real
// folder, and its ".." come first: so what is checked here on paper holds on disk.
func checkLink(name, target string) error {
	refused := malformed(fmt.Sprintf("the link %q leads out of it, to %q", name, target), nil)
	if target == "" || path.IsAbs(target) || path.Clean(target) != target || strings.IndexByte(target, 0) >= 0 {
		return refused
	}
	if joined := path.Join(path.Dir(name), target); joined == ".." || strings.HasPrefix(joined, "../") {
		return refused
	}
	return nil
}

// notMade tells a name that the file system refuses from a fault of the disk.
func notMade(name string, err error) error {
	if errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return malformed(fmt.Sprintf("%q can't be made", name), err)
	}
	return err
}

func malformed(what string, cause error) error {
	if errors.Is(cause, ErrTooLarge) {
		return cause
	}
	if cause == nil {
		return fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	return fmt.Errorf("%w: %s: %w", ErrMalformed, what, cause)
}

// source remembers that reading failed, to tell a broken connection from a
// broken archive.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// limitedReader fails with ErrTooLarge once more than left bytes were read.
type limitedReader struct {
	r           io.Reader
	left, limit int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, fmt.Errorf("%w: it unpacks to more than %s", ErrTooLarge, size(l.limit))
	}
	return n, err
}
