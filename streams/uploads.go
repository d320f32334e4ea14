package streams

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// uploadPrefix begins the names of uploads. A digest has no such letter.
const uploadPrefix = "upload-"

// uploadName returns a name for one upload of a bundle that no other has.
func uploadName(digest string) string { return uploadPrefix + digest + "-" + rand.Text() }

// encodeObject is how the library encodes the name of an object in a subject.
func encodeObject(name string) string { return base64.URLEncoding.EncodeToString([]byte(name)) }

// bundleGrace is how long what nobody refers to may yet be on its way to be
// referred to: an upload, or a bundle that is about to be deployed. Uploads are
// given far less.
const bundleGrace = 24 * time.Hour

// CollectBundles removes what uploads that came to nothing have left, and bundles
// that no version refers to, once they are a day old. It may be repeated, by
// several at once.
func (s *Store) CollectBundles(ctx context.Context) error {
	// The parts before the names: those of an upload come first.
	state, err := s.codeStream.Info(ctx, jetstream.WithSubjectFilter(bundleParts+"*"))
	if err != nil {
		return classify("list what is stored of bundles", err)
	}
	objects, err := s.objects(ctx)
	if err != nil {
		return err
	}
	before := s.now().Add(-bundleGrace)
	used, named := s.usedObjects(objects), map[string]bool{}
	for _, o := range objects {
		if used[o.Name] || o.ModTime.After(before) {
			named[o.NUID] = true
		} else if err := s.removeObject(ctx, o); err != nil {
			return err
		}
	}
	for subject := range state.State.Subjects {
		if named[strings.TrimPrefix(subject, bundleParts)] {
			continue
		}
		last, err := s.codeStream.GetLastMsgForSubject(ctx, subject)
		if err = classify("look at what is left of an upload", err); isNotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		if last.Time.After(before) {
			continue
		}
		if err := s.purgeCode(ctx, subject); err != nil {
			return err
		}
	}
	return nil
}

// objects returns all names in the store of bundles, links and deleted ones
// included.
func (s *Store) objects(ctx context.Context) ([]*jetstream.ObjectInfo, error) {
	state, err := s.codeStream.Info(ctx, jetstream.WithSubjectFilter(bundleNames+"*"))
	if err != nil {
		return nil, classify("list the bundles", err)
	}
	var objects []*jetstream.ObjectInfo
	for subject := range state.State.Subjects {
		name, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(subject, bundleNames))
		if err != nil {
			return nil, fmt.Errorf("list the bundles: %w", err)
		}
		info, err := s.code.GetInfo(ctx, string(name), jetstream.GetObjectInfoShowDeleted())
		if err = classify("list the bundles", err); isNotFound(err) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, info)
	}
	return objects, nil
}

// usedObjects returns the names of the objects that bundles of versions are in,
// and of the links that lead there.
func (s *Store) usedObjects(objects []*jetstream.ObjectInfo) map[string]bool {
	used := map[string]bool{}
	for _, digest := range s.BundlesInUse() {
		used[digest] = true
	}
	before := s.now().Add(-bundleGrace)
	for _, o := range objects {
		// A link that is young may be of a bundle that is about to be deployed.
		if to := linked(o); to != "" && (used[o.Name] || o.ModTime.After(before)) {
			used[to] = true
		}
	}
	return used
}

// removeObject removes an object for good: the library's own Delete would keep a
// marker of each for ever.
func (s *Store) removeObject(ctx context.Context, o *jetstream.ObjectInfo) error {
	if err := s.purgeCode(ctx, bundleNames+encodeObject(o.Name)); err != nil {
		return err
	}
	return s.purgeCode(ctx, bundleParts+o.NUID)
}

func (s *Store) purgeCode(ctx context.Context, subject string) error {
	return classify("delete what is stored of a bundle", s.codeStream.Purge(ctx, jetstream.WithPurgeSubject(subject)))
}
