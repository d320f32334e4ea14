package docker_test

import (
	"context"
	"crypto/rand"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/dispatcher/provision/docker"
)

// loopback is a registry that counts and may ask for a password.
type loopback struct {
	*httptest.Server
	mu       sync.Mutex
	password string
	blobs    map[string]int // downloads, by path
}

func newRegistry(t *testing.T) *loopback {
	r := &loopback{blobs: map[string]int{}}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		if q.Method == http.MethodGet && strings.Contains(q.URL.Path, "/blobs/") {
			r.blobs[q.URL.Path]++
		}
		want := r.password
		r.mu.Unlock()
		if _, got, _ := q.BasicAuth(); got != want {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

// push puts the site's image, made different from all others, into the registry.
func (r *loopback) push(t *testing.T, id string) string {
	t.Helper()
	engine := requireEngine(t)
	base, err := tarball.Image(func() (io.ReadCloser, error) {
		return engine.ImageSave(t.Context(), []string{id})
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config.Config.Labels = map[string]string{"multinode-test": rand.Text()}
	made, err := mutate.ConfigFile(base, config)
	if err != nil {
		t.Fatal(err)
	}
	return r.write(t, made)
}

func (r *loopback) write(t *testing.T, made v1.Image) string {
	t.Helper()
	tag, err := name.NewTag(r.Listener.Addr().String() + "/worker:latest")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, made, remote.WithAuth(&authn.Basic{Username: "u", Password: r.password}), remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
	digest, err := made.Digest()
	if err != nil {
		t.Fatal(err)
	}
	reference := tag.Repository.Name() + "@" + digest.String()
	t.Cleanup(func() {
		_, _ = requireEngineForCleanup(t).ImageRemove(context.Background(), reference, image.RemoveOptions{Force: true})
	})
	return reference
}

func TestConcurrentLaunchesShareOnePull(t *testing.T) {
	s := newStage(t, nil)
	r := newRegistry(t)
	reference := r.push(t, s.image)
	var launches sync.WaitGroup
	for range 5 {
		intent := s.intend("wait")
		intent.Image = reference
		launches.Go(func() {
			if _, err := s.Launch(t.Context(), intent); err != nil {
				t.Error(err)
			}
		})
	}
	launches.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.blobs) == 0 {
		t.Error("nothing was pulled")
	}
	for blob, n := range r.blobs {
		if n != 1 {
			t.Errorf("%s was pulled %d times", blob, n)
		}
	}
}

func TestPullsThatFail(t *testing.T) {
	s := newStage(t, nil)
	r := newRegistry(t)
	reference := r.push(t, s.image)
	repository, _, _ := strings.Cut(reference, "@")
	launch := func(image string) error {
		intent := s.intend("wait")
		intent.Image = image
		_, err := s.Launch(t.Context(), intent)
		return err
	}
	if err := launch(repository + "@sha256:" + strings.Repeat("0", 64)); provision.KindOf(err) != provision.Permanent || err == nil {
		t.Errorf("an image that the registry does not have: %v", err)
	}
	for _, image := range []string{"", repository, repository + ":latest", "no reference@sha256:zz"} {
		if err := launch(image); provision.KindOf(err) != provision.Permanent || err == nil {
			t.Errorf("the image %q: %v", image, err)
		}
	}
	r.Close()
	if err := launch(reference); provision.KindOf(err) != provision.Transient || err == nil {
		t.Errorf("a registry that does not answer: %v", err)
	}
}

func TestPrivateRegistries(t *testing.T) {
	stranger := newStage(t, nil)
	r := newRegistry(t)
	r.password = rand.Text()
	reference := r.push(t, stranger.image)
	intent := stranger.intend("wait")
	intent.Image = reference
	if _, err := stranger.Launch(t.Context(), intent); provision.KindOf(err) != provision.Transient || err == nil {
		t.Errorf("without a password: %v", err)
	}
	user := newStage(t, func(o *docker.Options) {
		o.Login = func(_ context.Context, asked string) (docker.Login, error) {
			if asked != reference {
				t.Errorf("asked for %s", asked)
			}
			return docker.Login{Username: "u", Password: r.password}, nil
		}
	})
	intent.ExecutionID = multinode.NewID(multinode.ExecutionPrefix)
	user.launch(t, intent)
}
