package images_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"multinode/images"
)

func TestPythonVersions(t *testing.T) {
	for version, want := range map[string]string{"": "3.12-slim", "3.9": "3.9-slim", "3.10": "3.10-slim", "3.11": "3.11-slim", "3.13": "3.13-slim"} {
		if base, err := images.BaseFor(version); err != nil || !strings.HasSuffix(base, ":"+want) {
			t.Errorf("%q: %s, %v", version, base, err)
		}
	}
	_, err := images.BaseFor("2.7")
	isFailure(t, "use one of 3.9, 3.10, 3.11, 3.12, 3.13", err)
}

func TestRegistryRefuses(t *testing.T) {
	s := newServer(t, "secret")
	open := newServer(t, "")
	open.store(t, "base:1", platformImage(t, "amd64"))
	wrong := images.New(images.Options{Credentials: map[string]images.Credential{s.Listener.Addr().String(): {Username: "x", Password: "no"}}})
	right := images.New(images.Options{Credentials: map[string]images.Credential{s.Listener.Addr().String(): {Username: "x", Password: "secret"}}})
	base, err := wrong.Base(t.Context(), open.name("base:1"), images.LinuxAMD64)
	must(t, err)
	image := build(t, base, "x = 1")
	_, err = wrong.Push(t.Context(), s.name("p"), "", image)
	isFailure(t, "check its credentials", err)
	_, err = wrong.Base(t.Context(), s.name("base:1"), images.LinuxAMD64)
	isFailure(t, "check its credentials", err)
	_, err = right.Push(t.Context(), s.name("p"), "", image)
	must(t, err)
}

func TestMissingAndMalformed(t *testing.T) {
	s := newServer(t, "")
	client := images.New(images.Options{})
	for reference, says := range map[string]string{
		s.name("nothing:1"): "no such image", s.name("no spaces"): "is no name of an image",
	} {
		_, err := client.Base(t.Context(), reference, images.LinuxAMD64)
		isFailure(t, says, err)
	}
}

func TestDamagedBase(t *testing.T) {
	s := newServer(t, "")
	image := platformImage(t, "amd64")
	s.store(t, "base:1", image)
	client := images.New(images.Options{})
	base, err := client.Base(t.Context(), s.name("base:1"), images.LinuxAMD64)
	must(t, err)
	layers, err := image.Layers()
	must(t, err)
	broken, err := layers[1].Digest()
	must(t, err)
	file := filepath.Join(s.dir, "blobs", "sha256", broken.Hex)
	content, err := os.ReadFile(file)
	must(t, err)
	content[len(content)/2] ^= 1
	must(t, os.WriteFile(file, content, 0o600))
	// To another registry, so that the content travels.
	_, err = client.Push(t.Context(), newServer(t, "").name("p"), "", build(t, base, "x = 1"))
	isFailure(t, "damaged", err)
	must(t, os.Remove(file))
	_, err = client.Push(t.Context(), newServer(t, "").name("p"), "", build(t, base, "x = 1"))
	isFailure(t, "no such image", err)
}

func TestTroubleIsTransient(t *testing.T) {
	s := newServer(t, "")
	s.store(t, "base:1", platformImage(t, "amd64"))
	client := images.New(images.Options{})
	base, err := client.Base(t.Context(), s.name("base:1"), images.LinuxAMD64)
	must(t, err)
	image := build(t, base, "x = 1")
	isTransient := func(err error) {
		t.Helper()
		var f *images.Failure
		if err == nil || errors.As(err, &f) {
			t.Errorf("%v is not transient", err)
		}
	}
	s.refuse = 503
	_, err = client.Push(t.Context(), s.name("p"), "", image)
	isTransient(err)
	s.Close()
	_, err = client.Push(t.Context(), s.name("p"), "", image)
	isTransient(err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Base(ctx, s.name("base:1"), images.LinuxAMD64)
	isTransient(err)
}
