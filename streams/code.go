package streams

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
)

// openCode opens the bucket of bundles, and makes it where it is missing.
func (s *Store) openCode(ctx context.Context) error {
	_, err := s.js.ObjectStore(ctx, codeBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = s.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: codeBucket, Storage: jetstream.FileStorage, Replicas: s.options.Replicas,
		})
	}
	if err != nil {
		return err
	}
	// Who has just stored a bundle refers to it through another gateway, perhaps.
	if err := s.readFromLeader(ctx, "OBJ_"+codeBucket); err != nil {
		return err
	}
	s.code, err = s.js.ObjectStore(ctx, codeBucket)
	return err
}

// PutBundle stores a code archive under its SHA-256 digest in hexadecimal and
// returns its size in bytes. Content with another digest is not kept: ErrDigest.
func (s *Store) PutBundle(ctx context.Context, digest string, r io.Reader) (int64, error) {
	if stored, err := s.code.GetInfo(ctx, digest); err == nil {
		return int64(stored.Size), nil
	}
	// The name appears only once all of it has been stored, so that a crash
	// leaves no half bundle; the digest is checked before.
	checked := &digestReader{from: r, sum: sha256.New(), want: digest}
	info, err := s.code.Put(ctx, jetstream.ObjectMeta{Name: digest}, checked)
	if errors.Is(err, ErrDigest) {
		return 0, err
	}
	if err != nil {
		return 0, classify("store the bundle", err)
	}
	return int64(info.Size), nil
}

// HasBundle tells whether a bundle is stored.
func (s *Store) HasBundle(ctx context.Context, digest string) (bool, error) {
	_, err := s.code.GetInfo(ctx, digest)
	if err = classify("look up the bundle", err); isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Bundle opens a stored bundle, or returns ErrNotFound.
func (s *Store) Bundle(ctx context.Context, digest string) (io.ReadCloser, error) {
	r, err := s.code.Get(ctx, digest)
	return r, classify("read the bundle", err)
}

// BundlesInUse returns the digests of all bundles that a version refers to.
func (s *Store) BundlesInUse() []string {
	var digests []string
	for _, v := range all[multinode.Version](s.registry, "version.") {
		if v.Bundle != "" {
			digests = append(digests, v.Bundle)
		}
	}
	return digests
}

// deleteBundle removes a bundle that no version refers to any more.
func (s *Store) deleteBundle(ctx context.Context, digest string) error {
	if digest == "" {
		return nil
	}
	for _, v := range all[multinode.Version](s.registry, "version.") {
		if v.Bundle == digest {
			return nil
		}
	}
	if err := classify("delete the bundle", s.code.Delete(ctx, digest)); !isNotFound(err) {
		return err
	}
	return nil
}

// digestReader fails at the end of what it reads if that has another digest.
type digestReader struct {
	from io.Reader
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
	want string
}

func (d *digestReader) Read(p []byte) (int, error) {
	n, err := d.from.Read(p)
	_, _ = d.sum.Write(p[:n]) // a hash never fails
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.want {
			return n, fmt.Errorf("%w: it is %s", ErrDigest, got)
		}
	}
	return n, err
}
