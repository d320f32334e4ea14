// Package bundle turns a project folder into the archive that a deployment
// uploads, and back.
//
// The archive is a gzipped tar with the same bytes for the same content: entries
// in the order of their names, no times, no owners, and of the mode only the
// execute bit. The digest of those bytes names the code everywhere else in the
// system, so that unchanged code is neither uploaded nor prepared twice.
//
// The values of the project's .env file are not part of it. They are parsed here
// and travel apart.
package bundle

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Limits of one archive. Sizes are in bytes.
const (
	// MaxSize bounds the archive as it travels, compressed.
	MaxSize = 256 << 20
	// MaxUnpacked bounds what it unpacks to, tar headers included.
	MaxUnpacked = 1 << 30
	// MaxFiles bounds its entries: files, folders and links.
	MaxFiles = 50_000
	// MaxDepth bounds the parts of one entry's path.
	MaxDepth = 64
)

// Main is the file that every project has at its top.
const Main = "main.py"

var (
	// ErrTooLarge is wrapped by errors about a project over one of the limits.
	ErrTooLarge = errors.New("the project is too large")
	// ErrNoMain is wrapped by errors about a project without main.py.
	ErrNoMain = errors.New("there is no " + Main)
	// ErrMalformed is wrapped by errors about an archive that Pack did not make.
	ErrMalformed = errors.New("the bundle is malformed")
)

// Bundle is a packed project. It holds a temporary file until it is closed.
type Bundle struct {
	// Digest is the SHA-256 of the archive, in lowercase hexadecimal.
	Digest string
	// Size is the archive's, in bytes.
	Size int64
	// Files are the paths of the files and links in it, with slashes, in the order
	// of the archive.
	Files []string
	// Environment holds the variables of the .env file; empty without one.
	Environment map[string]string

	file *os.File
}

// Open returns a reader of the archive from its beginning. Readers are independent
// of each other and valid until Close of the bundle. It never fails; its form is
// that of a request that can be tried again.
func (b *Bundle) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(b.file, 0, b.Size)), nil
}

// Close removes the temporary file.
func (b *Bundle) Close() error {
	err := b.file.Close()
	if removeErr := os.Remove(b.file.Name()); removeErr != nil && !errors.Is(removeErr, os.ErrNotExist) {
		err = errors.Join(err, removeErr)
	}
	if err != nil {
		return fmt.Errorf("removing the packed project: %w", err)
	}
	return nil
}
