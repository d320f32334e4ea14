package streams_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"multinode"
	"multinode/embedded/embeddedtest"
	"multinode/streams"
)

func archive(size int) (content []byte, digest string) {
	content = make([]byte, size)
	_, _ = rand.Read(content)
	sum := sha256.Sum256(content)
	return content, hex.EncodeToString(sum[:])
}

// endingReader calls end before it tells that there is no more.
type endingReader struct {
	io.Reader
	end func()
}

func (r endingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		r.end()
	}
	return n, err
}

func readBundle(t *testing.T, s *streams.Store, digest string) []byte {
	t.Helper()
	r, err := s.Bundle(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestABundleWhoseUploadWasNotAnsweredCanBeUploadedAgain: the library removes the
// parts of such an upload and leaves its name.
func TestABundleWhoseUploadWasNotAnsweredCanBeUploadedAgain(t *testing.T) {
	s, free, w := openOverWire(t)
	if err := s.Impatient(t.Context(), 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	content, digest := archive(300_000)
	_, err := s.PutBundle(t.Context(), digest, endingReader{bytes.NewReader(content), w.hold})
	w.release()
	if err == nil {
		t.Fatal("an upload without answers succeeded")
	}
	if has, err := free.HasBundle(t.Context(), digest); has || err != nil {
		t.Fatalf("there is a bundle, whose parts were removed: %v", err)
	}
	if _, err := free.Bundle(t.Context(), digest); !errors.Is(err, streams.ErrNotFound) {
		t.Fatalf("opening it answered %v", err)
	}
	if size, err := free.PutBundle(t.Context(), digest, bytes.NewReader(content)); err != nil || size != int64(len(content)) {
		t.Fatalf("uploaded again: %d, %v", size, err)
	}
	if !bytes.Equal(readBundle(t, free, digest), content) {
		t.Error("the bundle has another content")
	}
}

func TestABundleIsUploadedBySeveralAtOnce(t *testing.T) {
	s := openStore(t)
	content, digest := archive(300_000)
	var uploads sync.WaitGroup
	together := make(chan struct{})
	for range 4 {
		uploads.Go(func() {
			<-together
			if _, err := s.PutBundle(t.Context(), digest, bytes.NewReader(content)); err != nil {
				t.Error(err)
			}
			if has, err := s.HasBundle(t.Context(), digest); !has || err != nil {
				t.Errorf("after an upload it is not there: %v", err)
			}
		})
	}
	close(together)
	uploads.Wait()
	if !bytes.Equal(readBundle(t, s, digest), content) {
		t.Error("the bundle has another content")
	}
	if _, err := s.PutBundle(t.Context(), digest, strings.NewReader("other")); err != nil {
		t.Errorf("putting what is there answered %v", err)
	}
}

// TestABundleThatAnEarlyVersionBrokeIsReplaced: those were stored under their
// digests.
func TestABundleThatAnEarlyVersionBrokeIsReplaced(t *testing.T) {
	s, bucket := openCode(t, time.Now)
	content, digest := archive(300_000)
	stored, err := bucket.Put(t.Context(), jetstream.ObjectMeta{Name: digest}, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readBundle(t, s, digest), content) {
		t.Fatal("it cannot be read")
	}
	purge(t, bucket, "$O.mn-code.C."+stored.NUID)
	if has, err := s.HasBundle(t.Context(), digest); has || err != nil {
		t.Fatalf("it is said to be there: %v", err)
	}
	if _, err := s.PutBundle(t.Context(), digest, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(readBundle(t, s, digest), content) {
		t.Error("the bundle has another content")
	}
}

// TestWhatUploadsLeaveIsCollected: also of one that was killed before it had a
// name, and bundles that were never deployed. What is young, or in use, stays.
func TestWhatUploadsLeaveIsCollected(t *testing.T) {
	var mu sync.Mutex
	var later time.Duration
	s, bucket := openCode(t, func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(later)
	})
	p, v := deploy(t, s, "p", spec("fn"))
	deployed, used := archive(1000)
	nowhere, upload := archive(1000)
	if _, err := s.PutBundle(t.Context(), used, bytes.NewReader(deployed)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateVersion(t.Context(), p, v.ID, func(v *multinode.Version) error { v.Bundle = used; return nil }); err != nil {
		t.Fatal(err)
	}
	content, unused := archive(1000)
	if _, err := s.PutBundle(t.Context(), unused, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if _, err := bucket.Put(t.Context(), jetstream.ObjectMeta{Name: "upload-" + upload}, bytes.NewReader(nowhere)); err != nil {
		t.Fatal(err)
	}
	killed, err := bucket.Put(t.Context(), jetstream.ObjectMeta{Name: "upload-killed"}, bytes.NewReader(nowhere))
	if err != nil {
		t.Fatal(err)
	}
	purge(t, bucket, "$O.mn-code.M.dXBsb2FkLWtpbGxlZA==")
	before := messages(t, bucket)
	if err := s.CollectBundles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := messages(t, bucket); after != before {
		t.Fatalf("of %d messages %d are left, though all are young", before, after)
	}
	mu.Lock()
	later = 25 * time.Hour
	mu.Unlock()
	if err := s.CollectBundles(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := messages(t, bucket); after != 3 { // a link, a name, and a part
		t.Errorf("%d messages are left, not the 3 of the bundle in use; one that was killed is %s", after, killed.NUID)
	}
	if !bytes.Equal(readBundle(t, s, used), deployed) {
		t.Error("the bundle in use has another content")
	}
}

func TestNothingIsLeftOfABundleThatNoVersionUses(t *testing.T) {
	s, bucket := openCode(t, time.Now)
	p, v := deploy(t, s, "p", spec("fn"))
	content, digest := archive(300_000)
	if _, err := s.PutBundle(t.Context(), digest, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.UpdateVersion(t.Context(), p, v.ID, func(v *multinode.Version) error { v.Bundle = digest; return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteProject(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if n := messages(t, bucket); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

// openCode is openStore with a clock, and what it keeps bundles in.
func openCode(t *testing.T, clock func() time.Time) (*streams.Store, codeBucket) {
	t.Helper()
	nc, err := embeddedtest.Start(t).Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	s, err := streams.Open(t.Context(), nc, streams.Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	bucket, err := js.ObjectStore(t.Context(), "mn-code")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "OBJ_mn-code")
	if err != nil {
		t.Fatal(err)
	}
	return s, codeBucket{bucket, stream}
}

type codeBucket struct {
	jetstream.ObjectStore
	stream jetstream.Stream
}

func purge(t *testing.T, b codeBucket, subject string) {
	t.Helper()
	if err := b.stream.Purge(context.WithoutCancel(t.Context()), jetstream.WithPurgeSubject(subject)); err != nil {
		t.Fatal(err)
	}
}

func messages(t *testing.T, b codeBucket) uint64 {
	t.Helper()
	info, err := b.stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}
