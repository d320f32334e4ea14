package images

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layer is one layer of an image, kept in a temporary file until it is closed. It
// implements v1.Layer.
type Layer struct {
	file   string
	digest v1.Hash
	diffID v1.Hash
	size   int64
}

// NewLayer packs the contents, in their order, into the folder dir. Its errors are
// those of reading and writing files.
func NewLayer(dir string, contents ...Content) (*Layer, error) {
	file, err := os.CreateTemp(dir, "layer-*.tar.gz")
	if err != nil {
		return nil, fmt.Errorf("packing a layer: %w", err)
	}
	l := &Layer{file: file.Name()}
	if err := errors.Join(l.write(file, contents), file.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("packing a layer: %w", err), l.Close())
	}
	return l, nil
}

func (l *Layer) write(file io.Writer, contents []Content) error {
	packed, unpacked := sha256.New(), sha256.New()
	count := &counter{}
	// Neither a name nor a time is in the header of the stream.
	compressed, err := gzip.NewWriterLevel(io.MultiWriter(file, packed, count), gzip.BestSpeed)
	if err != nil {
		return err
	}
	p := packer{tar: tar.NewWriter(io.MultiWriter(compressed, unpacked)), made: map[string]bool{}}
	for _, c := range contents {
		if err := p.add(c); err != nil {
			return err
		}
	}
	if err := errors.Join(p.tar.Close(), compressed.Close()); err != nil {
		return err
	}
	l.digest, l.diffID, l.size = hashOf(packed), hashOf(unpacked), count.n
	return nil
}

func hashOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}

// Digest is that of the compressed bytes, by which registries know the layer.
func (l *Layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the digest of the uncompressed bytes.
func (l *Layer) DiffID() (v1.Hash, error) { return l.diffID, nil }

// Size is that of the compressed bytes.
func (l *Layer) Size() (int64, error) { return l.size, nil }

// MediaType is that of OCI; With takes the base's own family.
func (l *Layer) MediaType() (types.MediaType, error) { return types.OCILayer, nil }

// Compressed returns the bytes that are pushed.
func (l *Layer) Compressed() (io.ReadCloser, error) { return os.Open(l.file) }

// Uncompressed returns the tar archive.
func (l *Layer) Uncompressed() (io.ReadCloser, error) {
	file, err := os.Open(l.file)
	if err != nil {
		return nil, err
	}
	content, err := gzip.NewReader(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{content, file}, nil
}

// Close removes the temporary file.
func (l *Layer) Close() error { return os.Remove(l.file) }

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
