package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copyTree copies a folder: files, folders, symbolic links as they are, modes,
// and times, by which Python knows whether compiled files are current. What is
// copied can be written by the owner, whatever the source is. File systems that
// can share the contents of files until one of them changes do so.
func copyTree(ctx context.Context, source, target string) error {
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		relative, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		destination := filepath.Join(target, relative)
		switch mode := info.Mode(); {
		case path == source: // may itself be a link to the folder
			return os.Mkdir(destination, 0o700)
		case mode.IsDir():
			return os.Mkdir(destination, mode.Perm()|0o700)
		case mode.IsRegular():
			return copyFile(path, destination, info)
		case mode.Type() == fs.ModeSymlink:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(to, destination)
		default:
			return fmt.Errorf("%s is neither a file, a folder nor a symbolic link", path)
		}
	})
}

func copyFile(source, destination string, info fs.FileInfo) error {
	if clone(source, destination) != nil {
		if err := copyContent(source, destination); err != nil {
			return err
		}
	}
	if err := os.Chmod(destination, info.Mode().Perm()|0o600); err != nil {
		return err
	}
	return os.Chtimes(destination, info.ModTime(), info.ModTime())
}

func copyContent(source, destination string) (err error) {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(destination, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	// On Linux this is copy_file_range(2), which shares extents where it can.
	_, err = io.Copy(to, from)
	return err
}
