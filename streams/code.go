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
	"multinode/internal/failpoint"
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
	if s.codeStream, err = s.js.Stream(ctx, "OBJ_"+codeBucket); err != nil {
		return err
	}
	s.code, err = s.js.ObjectStore(ctx, codeBucket)
	return err
}

// A bundle is stored as an object with a name of its own, and found by a link from
// its digest, which is made once every part of it was acknowledged. The library's
// Put purges what it stored where an answer is lost, but not the name: under the
// digest itself, that would be a bundle that everybody finds and nobody can read.
// Nobody else knows the name of an upload, so that uploads of the same content do
// not meet before they link, and the last link counts. What a crash or a lost
// answer leaves of an upload is removed later (CollectBundles).

// PutBundle stores a code archive under its SHA-256 digest in hexadecimal and
// returns its size in bytes. Content with another digest is not kept: ErrDigest.
// After any other error it may be put again, also while it is put elsewhere.
func (s *Store) PutBundle(ctx context.Context, digest string, r io.Reader) (int64, error) {
	stored, err := s.bundle(ctx, digest)
	if err == nil {
		return int64(stored.Size), nil
	}
	if !isNotFound(err) {
		return 0, err
	}
	checked := &digestReader{from: r, sum: sha256.New(), want: digest}
	upload, err := s.code.Put(ctx, jetstream.ObjectMeta{Name: uploadName(digest)}, checked)
	if errors.Is(err, ErrDigest) {
		return 0, err
	}
	if err != nil {
		return 0, classify("store the bundle", err)
	}
	failpoint.Hit("streams.bundle_uploaded")
	if _, err := s.bundle(ctx, digest); err == nil {
		return int64(upload.Size), s.removeObject(ctx, upload) // another upload was faster
	}
	if err := s.linkBundle(ctx, digest, upload); err != nil {
		return 0, classify("store the bundle", err)
	}
	failpoint.Hit("streams.bundle_linked")
	return int64(upload.Size), nil
}

// linkBundle makes an upload the bundle with this digest.
func (s *Store) linkBundle(ctx context.Context, digest string, upload *jetstream.ObjectInfo) error {
	_, err := s.code.AddLink(ctx, digest, upload)
	if errors.Is(err, jetstream.ErrObjectAlreadyExists) {
		// One that an early version stored under the digest, and that is gone or
		// broken. The library would keep even its marker.
		if err = s.purgeCode(ctx, bundleNames+encodeObject(digest)); err == nil {
			_, err = s.code.AddLink(ctx, digest, upload)
		}
	}
	return err
}

// bundle returns the object that holds a bundle, or ErrNotFound where there is
// none of which all parts are stored.
func (s *Store) bundle(ctx context.Context, digest string) (*jetstream.ObjectInfo, error) {
	info, err := s.code.GetInfo(ctx, digest)
	if err == nil && linked(info) != "" {
		info, err = s.code.GetInfo(ctx, linked(info))
	}
	if err != nil {
		return nil, classify("look up the bundle", err)
	}
	parts := bundleParts + info.NUID
	state, err := s.codeStream.Info(ctx, jetstream.WithSubjectFilter(parts))
	if err != nil {
		return nil, classify("look up the bundle", err)
	}
	if state.State.Subjects[parts] != uint64(info.Chunks) {
		return nil, fmt.Errorf("look up the bundle: parts of it are missing: %w", ErrNotFound)
	}
	return info, nil
}

// linked returns the name of the object that a link leads to.
func linked(info *jetstream.ObjectInfo) string {
	if info.Opts == nil || info.Opts.Link == nil {
		return ""
	}
	return info.Opts.Link.Name
}

// HasBundle tells whether a bundle is stored.
func (s *Store) HasBundle(ctx context.Context, digest string) (bool, error) {
	_, err := s.bundle(ctx, digest)
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// Bundle opens a stored bundle, or returns ErrNotFound.
func (s *Store) Bundle(ctx context.Context, digest string) (io.ReadCloser, error) {
	info, err := s.bundle(ctx, digest)
	if err != nil {
		return nil, err
	}
	r, err := s.code.Get(ctx, info.Name)
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

// deleteBundle removes the bundle of a version that is about to be removed, unless
// another refers to it. It comes first, so that a crash leaves what leads here again.
func (s *Store) deleteBundle(ctx context.Context, of multinode.Version) error {
	digest := of.Bundle
	if digest == "" {
		return nil
	}
	for _, v := range all[multinode.Version](s.registry, "version.") {
		if v.Bundle == digest && v.ID != of.ID {
			return nil
		}
	}
	return s.removeBundle(ctx, digest)
}

// removeBundle removes a bundle: the link first, so that nobody is led to what is
// half gone.
func (s *Store) removeBundle(ctx context.Context, digest string) error {
	info, err := s.code.GetInfo(ctx, digest, jetstream.GetObjectInfoShowDeleted())
	if err = classify("delete the bundle", err); err != nil {
		if isNotFound(err) {
			return nil
		}
		return err
	}
	if err := s.removeObject(ctx, info); err != nil || linked(info) == "" {
		return err
	}
	failpoint.Hit("streams.bundle_unlinked")
	upload, err := s.code.GetInfo(ctx, linked(info), jetstream.GetObjectInfoShowDeleted())
	if err = classify("delete the bundle", err); err != nil {
		if isNotFound(err) {
			return nil
		}
		return err
	}
	return s.removeObject(ctx, upload)
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
