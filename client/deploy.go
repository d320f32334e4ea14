package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"multinode/wire"
)

// uploadTimeout bounds one try of sending a bundle.
const uploadTimeout = 15 * time.Minute

// HasBundle tells whether the server has the code archive with this digest, the
// SHA-256 in hexadecimal.
func (c *Client) HasBundle(ctx context.Context, digest string) (bool, error) {
	err := c.call(ctx, request{op: "look up bundle", method: http.MethodHead, path: bundlePath(digest), repeat: true}, nil)
	var answer *Error
	if !errors.As(err, &answer) {
		return err == nil, err
	}
	switch answer.Status {
	case http.StatusNotFound:
		return false, nil
	case http.StatusForbidden:
		// The answer to a HEAD has no room for the reason. Whoever may not ask may not
		// upload either, and is told why before anything is read.
		none := func() (io.ReadCloser, error) { return http.NoBody, nil }
		if _, why := c.PutBundle(ctx, digest, 0, none); errors.As(why, &answer) && answer.Status == http.StatusForbidden {
			return false, why
		}
	}
	return false, err
}

// PutBundle sends a code archive of that size in bytes. It is streamed, and
// opened anew for each try. The server refuses content of another digest.
func (c *Client) PutBundle(ctx context.Context, digest string, size int64, open func() (io.ReadCloser, error)) (wire.BundleInfo, error) {
	var info wire.BundleInfo
	err := c.call(ctx, request{
		op: "upload bundle", method: http.MethodPut, path: bundlePath(digest),
		stream: open, size: size, repeat: true, timeout: uploadTimeout,
	}, &info)
	return info, err
}

func bundlePath(digest string) string { return "/bundles/" + url.PathEscape(digest) }

// Deploy makes a version from an uploaded bundle. The server prepares it after
// this returns: see AwaitDeployment.
func (c *Client) Deploy(ctx context.Context, project string, d wire.DeploymentDefinition) (wire.VersionInfo, error) {
	var info wire.VersionInfo
	err := c.call(ctx, request{
		op: "deploy", method: http.MethodPost, path: projectPath(project) + "/deployments", body: d,
	}, &info)
	return info, err
}

// DeploymentError says why a version could not be prepared, in the words of pip
// or Python: many lines.
type DeploymentError struct {
	Project, Version string
	Detail           string
}

func (e *DeploymentError) Error() string {
	return fmt.Sprintf("prepare version %s of project %q: %s", e.Version, e.Project, e.Detail)
}

// AwaitDeployment follows a version until it is ready. Lines about its progress
// go to progress, which may be nil. A version that cannot be prepared is a
// *DeploymentError.
func (c *Client) AwaitDeployment(ctx context.Context, project, version string, progress func(line string)) (wire.VersionInfo, error) {
	const op = "follow deployment"
	var ready wire.VersionInfo
	path := projectPath(project) + "/deployments/" + url.PathEscape(version) + "/events"
	err := c.events(ctx, request{op: op, method: http.MethodGet, path: path}, func() {}, func(e event) (bool, error) {
		switch e.name {
		case wire.EventProgress:
			var p wire.ProgressEvent
			if err := json.Unmarshal(e.data, &p); err != nil {
				return false, err
			}
			if progress != nil {
				progress(p.Line)
			}
		case wire.EventReady:
			return true, json.Unmarshal(e.data, &ready)
		case wire.EventFailed:
			var body wire.ErrorBody
			if err := json.Unmarshal(e.data, &body); err != nil {
				return false, err
			}
			return true, &DeploymentError{Project: project, Version: version, Detail: body.Detail}
		}
		return false, nil
	})
	return ready, err
}
