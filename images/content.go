package images

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Content is a file or a folder of this machine and its place in an image.
type Content struct {
	// From is the file, or the folder with all that is in it.
	From string
	// To is the absolute path in the image, with slashes.
	To string
	// Owner is the user and the group that own it; 0 is root. The folders above To
	// are always root's.
	Owner int
	// Skip leaves out what it is true for; nil leaves out nothing. The path is
	// relative to From, with slashes.
	Skip func(path string, d fs.DirEntry) bool
}

// packer writes entries that depend on nothing but names, content and the execute
// bit.
type packer struct {
	tar  *tar.Writer
	made map[string]bool // the folders that are in the archive
}

func (p *packer) add(c Content) error {
	to := strings.Trim(path.Clean(c.To), "/")
	if err := p.above(to); err != nil {
		return err
	}
	// WalkDir goes through each folder in the order of names.
	return filepath.WalkDir(c.From, func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.From, at)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if rel != "." && c.Skip != nil && c.Skip(rel, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		return p.entry(path.Join(to, rel), at, d, c.Owner)
	})
}

// above makes the folders that lead to a path.
func (p *packer) above(to string) error {
	parts := strings.Split(to, "/")
	for i := 1; i < len(parts); i++ {
		if err := p.folder(path.Join(parts[:i]...), 0); err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) folder(name string, owner int) error {
	if p.made[name] || name == "" || name == "." {
		return nil
	}
	p.made[name] = true
	mode := int64(0o755)
	if name == "tmp" {
		mode = 0o1777
	}
	return p.tar.WriteHeader(header(tar.TypeDir, name+"/", mode, owner))
}

func header(kind byte, name string, mode int64, owner int) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: mode, Uid: owner, Gid: owner, ModTime: time.Unix(0, 0)}
}

func (p *packer) entry(name, at string, d fs.DirEntry, owner int) error {
	switch {
	case d.IsDir():
		return p.folder(name, owner)
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(at)
		if err != nil {
			return err
		}
		h := header(tar.TypeSymlink, name, 0o777, owner)
		h.Linkname = target
		return p.tar.WriteHeader(h)
	case d.Type().IsRegular():
		return p.file(name, at, owner)
	}
	return nil // sockets and the like are no content
}

func (p *packer) file(name, at string, owner int) error {
	file, err := os.Open(at)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	h := header(tar.TypeReg, name, mode, owner)
	h.Size = info.Size()
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	if _, err := io.Copy(p.tar, file); err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}
