package registry_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"multinode/images/registry"
)

// FuzzRequest: whatever is asked of the registry, it answers for, keeps to its
// folder, and can still clean up.
func FuzzRequest(f *testing.F) {
	outside := f.TempDir()
	r, err := registry.New(registry.Options{Dir: filepath.Join(outside, "registry")})
	if err != nil {
		f.Fatal(err)
	}
	digest := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "sha256:" + hex.EncodeToString(sum[:])
	}
	image := `{"config":{"digest":"` + digest("c") + `"},"layers":[{"digest":"` + digest("l") + `"}]}`
	for _, seed := range []struct{ method, path, query, body string }{
		{"GET", "/v2/", "", ""},
		{"POST", "/v2/a/blobs/uploads/", "digest=" + digest("c"), "c"},
		{"POST", "/v2/a/blobs/uploads/", "digest=" + digest("l"), "l"},
		{"PUT", "/v2/a/manifests/latest", "", image},
		{"PUT", "/v2/a/manifests/b", "", "{}"},
		{"PUT", "/v2/a/b/manifests/" + digest("{}"), "", "{}"},
		{"GET", "/v2/a/manifests/latest", "", ""},
		{"HEAD", "/v2/a/blobs/" + digest("c"), "", ""},
		{"POST", "/v2/a/blobs/uploads/", "mount=" + digest("c"), ""},
		{"PATCH", "/v2/a/blobs/uploads/x", "", "part"},
		{"PUT", "/v2/a/latest.tag/manifests/x", "", "{}"},
		{"PUT", "/v2/../manifests/x", "", "{}"},
		{"PUT", "/v2/a/manifests/..", "", "{}"},
		{"DELETE", "/v2/a/blobs/uploads/../../x", "", ""},
	} {
		f.Add(seed.method, seed.path, seed.query, seed.body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if len(path) > 200 { // file systems have a limit of their own
			t.Skip()
		}
		answer := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(body))
		request.Method, request.URL = method, &url.URL{Path: path, RawQuery: query}
		r.ServeHTTP(answer, request)
		if answer.Code >= 500 {
			t.Errorf("%s %q ? %q answers %d: %s", method, path, query, answer.Code, answer.Body)
		}
		if err := r.Keep(nil, time.Hour); err != nil {
			t.Errorf("after %s %q ? %q with %q: %v", method, path, query, body, err)
		}
		if there, err := os.ReadDir(outside); err != nil || len(there) != 1 {
			t.Errorf("%s %q ? %q: beside the registry's folder there is %v, %v", method, path, query, there, err)
		}
	})
}
