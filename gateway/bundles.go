package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"multinode/internal/failpoint"
	"multinode/streams"
	"multinode/wire"
)

// headBundle tells a deployer that it may spare itself the upload.
func (g *Gateway) headBundle(ctx context.Context, c *call) error {
	digest, err := digestOf(c)
	if err != nil {
		return err
	}
	stored, err := g.store.HasBundle(ctx, digest)
	if err != nil {
		return err
	}
	if !stored {
		return refuse(http.StatusNotFound, "There is no bundle with this digest")
	}
	c.http.Status(http.StatusOK)
	return nil
}

// putBundle stores a code archive as it comes in, without holding it in memory.
func (g *Gateway) putBundle(ctx context.Context, c *call) (wire.BundleInfo, error) {
	digest, err := digestOf(c)
	if err != nil {
		return wire.BundleInfo{}, err
	}
	// The server's own deadline is that of a small body.
	if err := c.http.RequestCtx().SetReadDeadline(time.Now().Add(g.options.UploadTimeout)); err != nil {
		return wire.BundleInfo{}, fmt.Errorf("extend the time of the upload: %w", err)
	}
	limit := g.options.MaxBundle
	if int64(c.http.Request().Header.ContentLength()) > limit {
		return wire.BundleInfo{}, errBundleTooLarge(limit)
	}
	var body io.Reader
	if c.http.Request().IsBodyStream() {
		body = c.http.RequestCtx().RequestBodyStream()
	} else {
		body = bytes.NewReader(c.http.Request().Body())
	}
	upload := &uploadReader{from: body, left: limit}
	size, err := g.store.PutBundle(ctx, digest, upload)
	failpoint.Hit("gateway.bundle_stored")
	if err == nil {
		// What is stored already is not read again, but a client sends it to the end.
		_, _ = io.Copy(io.Discard, upload)
	}
	switch {
	case err == nil:
	case upload.tooLarge:
		return wire.BundleInfo{}, errBundleTooLarge(limit)
	case upload.failed != nil:
		return wire.BundleInfo{}, refuse(http.StatusBadRequest, "The upload broke off: send it again")
	case errors.Is(err, streams.ErrDigest):
		return wire.BundleInfo{}, refuse(http.StatusBadRequest, "The content does not have the digest %s: it was damaged on its way, send it again", digest)
	}
	return wire.BundleInfo{Digest: digest, SizeBytes: size}, err
}

func errBundleTooLarge(limit int64) error {
	return refuse(http.StatusRequestEntityTooLarge,
		"The project's code exceeds %d MiB: leave large files out with a .multinodeignore file", limit>>20)
}

func digestOf(c *call) (string, error) {
	digest := c.name(digestParam)
	if len(digest) != 64 || strings.Trim(digest, "0123456789abcdef") != "" {
		return "", violation("value_error.str.regex", "a SHA-256 digest has 64 lowercase hexadecimal digits", "path", digestParam)
	}
	return digest, nil
}

// uploadReader bounds an upload and tells a client that went away from a store
// that failed.
type uploadReader struct {
	from     io.Reader
	left     int64
	tooLarge bool
	failed   error
}

var errUploadTooLarge = errors.New("the upload is too large")

func (u *uploadReader) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if u.left -= int64(n); u.left < 0 {
		u.tooLarge = true
		return 0, errUploadTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		u.failed = err
	}
	return n, err
}
