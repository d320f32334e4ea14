package registry_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"multinode/images/registry"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start serves a registry from a folder until stop is called.
func start(t *testing.T, dir string) (r *registry.Registry, host string, stop func()) {
	t.Helper()
	r, err := registry.New(registry.Options{Dir: dir})
	must(t, err)
	listener, err := registry.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, listener) }()
	return r, listener.Addr().String(), func() {
		cancel()
		must(t, <-ended)
	}
}

func reference(t *testing.T, text string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(text)
	must(t, err)
	return ref
}

func image(t *testing.T) v1.Image {
	t.Helper()
	made, err := random.Image(5000, 2)
	must(t, err)
	return made
}

func digest(t *testing.T, image v1.Image) string {
	t.Helper()
	d, err := image.Digest()
	must(t, err)
	return d.String()
}

func TestImagesOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	_, host, stop := start(t, dir)
	one := image(t)
	must(t, remote.Write(reference(t, host+"/some/p:1"), one))
	// What a crash leaves of an upload.
	must(t, os.WriteFile(filepath.Join(dir, "uploads", "RUIN"), []byte("x"), 0o600))
	stop()

	_, host, stop = start(t, dir)
	defer stop()
	for _, at := range []string{":1", "@" + digest(t, one)} {
		pulled, err := remote.Image(reference(t, host+"/some/p"+at))
		must(t, err)
		must(t, validate.Image(pulled))
		if digest(t, pulled) != digest(t, one) {
			t.Errorf("%s became %s", digest(t, one), digest(t, pulled))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "uploads", "RUIN")); err == nil {
		t.Error("the rest of a crash is still there")
	}
}

func TestOnlyLoopback(t *testing.T) {
	if listener, err := registry.Listen(t.Context(), "0.0.0.0:0"); err == nil {
		_ = listener.Close()
		t.Error("it listens to other machines")
	}
}

func TestKeep(t *testing.T) {
	dir := t.TempDir()
	r, host, stop := start(t, dir)
	defer stop()
	kept, gone := image(t), image(t)
	must(t, remote.Write(reference(t, host+"/p:kept"), kept))
	must(t, remote.Write(reference(t, host+"/p:gone"), gone))
	layers, err := kept.Layers()
	must(t, err)
	cached, err := mutate.AppendLayers(empty.Image, layers[0])
	must(t, err)
	must(t, remote.Write(reference(t, host+"/p:cached"), cached))

	must(t, r.Keep([]string{digest(t, kept)}, time.Hour)) // all of it is young
	has := func(tag string) bool {
		_, err := remote.Head(reference(t, host+"/p:"+tag))
		return err == nil
	}
	if !has("gone") {
		t.Error("what is young was removed")
	}
	must(t, r.Keep([]string{digest(t, kept)}, -time.Hour))
	if !has("kept") || !has("cached") || has("gone") {
		t.Errorf("kept %t, cached %t, gone %t", has("kept"), has("cached"), has("gone"))
	}
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	must(t, err)
	if len(blobs) != 4 { // two layers, two configurations
		t.Errorf("%d blobs are left", len(blobs))
	}
	pulled, err := remote.Image(reference(t, host+"/p:kept"))
	must(t, err)
	must(t, validate.Image(pulled))
	must(t, remote.Write(reference(t, host+"/p:gone"), gone)) // it can come back
	must(t, r.Keep(nil, -time.Hour))
	if has("kept") || has("cached") {
		t.Error("images stay that nothing needs")
	}
}

func TestMalformedRequests(t *testing.T) {
	_, host, stop := start(t, t.TempDir())
	defer stop()
	zero := "sha256:" + strings.Repeat("0", 64)
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/v2/", "", 200},
		{"GET", "/", "", 404},
		{"GET", "/v2/p/blobs/" + zero, "", 404},
		{"GET", "/v2/p/manifests/nothing", "", 404},
		{"GET", "/v2/..%2f..%2fetc/manifests/passwd", "", 404},
		{"GET", "/v2/p/manifests/..%2f..%2fx", "", 404},
		{"DELETE", "/v2/p/manifests/x", "", 405},
		{"PATCH", "/v2/p/blobs/uploads/UNKNOWN", "x", 404},
		{"POST", "/v2/p/blobs/uploads/?digest=" + zero, "not that", 400},
		{"POST", "/v2/p/blobs/uploads/?digest=md5:0", "x", 400},
		{"PUT", "/v2/p/manifests/" + zero, "{}", 400},
		{"PUT", "/v2/p/manifests/x", "nonsense", 400},
		{"PUT", "/v2/p/manifests/x", `{"layers":[{"digest":"../../x"}]}`, 400},
		{"PUT", "/v2/p/manifests/x", `{"layers":[{"digest":"` + zero + `"}]}`, 400},
	} {
		request, err := http.NewRequest(test.method, "http://"+host+test.path, strings.NewReader(test.body))
		must(t, err)
		answer, err := http.DefaultClient.Do(request)
		must(t, err)
		_ = answer.Body.Close()
		if answer.StatusCode != test.want {
			t.Errorf("%s %s is answered %d, not %d", test.method, test.path, answer.StatusCode, test.want)
		}
	}
}

// An upload whose client has gone silent holds up neither Keep nor anybody else.
func TestKeepDoesNotWaitForAHungUpload(t *testing.T) {
	dir := t.TempDir()
	r, host, stop := start(t, dir)
	defer stop()
	stays := image(t)
	must(t, remote.Write(reference(t, host+"/p:1"), stays))
	begun, err := http.Post("http://"+host+"/v2/p/blobs/uploads/", "", nil)
	must(t, err)
	_ = begun.Body.Close()
	body, silent := io.Pipe()
	hung, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://"+host+begun.Header.Get("Location"), body)
	must(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if answer, err := http.DefaultClient.Do(hung); err == nil {
			_ = answer.Body.Close()
		}
	}()
	_, err = silent.Write(make([]byte, 1<<20))
	must(t, err)
	for arrived := false; !arrived; time.Sleep(time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(dir, "uploads", "*"))
		must(t, err)
		for _, file := range files {
			info, err := os.Stat(file)
			arrived = arrived || err == nil && info.Size() > 0
		}
	}

	must(t, r.Keep([]string{digest(t, stays)}, 0))
	must(t, remote.Write(reference(t, host+"/p:2"), image(t)))
	must(t, silent.CloseWithError(errors.New("gone")))
	<-ended
}
