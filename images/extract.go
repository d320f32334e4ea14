package images

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Extract unpacks what a layer of NewLayer has below a folder of the image into a
// folder of this machine, which is made where it is missing. It writes nowhere else,
// whatever the layer says.
func Extract(layer v1.Layer, from, to string) error {
	doing := "unpacking a layer of the registry"
	content, err := layer.Uncompressed()
	if err != nil {
		return explain(doing, err)
	}
	defer content.Close()
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer root.Close()
	if from = strings.Trim(path.Clean(from), "/"); from != "" {
		from += "/"
	}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return explain(doing, err)
		}
		name, ok := strings.CutPrefix(strings.TrimSuffix(header.Name, "/"), from)
		if !ok || name == "" {
			continue
		}
		if err := extractOne(root, name, header, archive); err != nil {
			return explain(doing, err)
		}
	}
	// The rest is read, too: the digest is checked at the end.
	_, err = io.Copy(io.Discard, content)
	return explain(doing, err)
}

func extractOne(root *os.Root, name string, header *tar.Header, content io.Reader) error {
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, 0o755)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeReg:
		file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(header.Mode).Perm())
		if err != nil {
			return err
		}
		_, err = io.Copy(file, content)
		return errors.Join(err, file.Close())
	}
	return nil
}
