package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"multinode/images/controlplane"
	"multinode/images/registry"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// saved is the image of this machine's platform, made once.
var saved = struct {
	sync.Once
	dir, file, name string
	err             error
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if saved.dir != "" {
		_ = os.RemoveAll(saved.dir)
	}
	os.Exit(code)
}

// save returns the image's file, and what an engine calls it.
func save(t *testing.T) (file, name string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds the programs")
	}
	saved.Do(func() {
		if saved.dir, saved.err = os.MkdirTemp("", "multinode-test-image-"); saved.err == nil {
			saved.file = filepath.Join(saved.dir, "image.tar")
			saved.name, saved.err = of(saved.file).run(t.Context())
		}
	})
	must(t, saved.err)
	return saved.file, saved.name
}

// of writes an image to a file, with a tag of this process's own.
func of(file string) options {
	return options{out: file, tag: "test-" + strconv.Itoa(os.Getpid()), architecture: runtime.GOARCH}
}

// The same source makes the same bytes, wherever they are put.
func TestTheSameBytesAgain(t *testing.T) {
	first, _ := save(t)
	second := filepath.Join(t.TempDir(), "image.tar")
	_, err := of(second).run(t.Context())
	must(t, err)
	a, err := os.ReadFile(first)
	must(t, err)
	b, err := os.ReadFile(second)
	must(t, err)
	if !bytes.Equal(a, b) {
		t.Error("two runs made different files")
	}
}

// One reference serves both platforms; what is there is not pushed again.
func TestBothPlatformsArePushed(t *testing.T) {
	store, err := registry.New(registry.Options{Dir: t.TempDir(), Password: "secret"})
	must(t, err)
	server := httptest.NewServer(store)
	defer server.Close()
	t.Setenv("MULTINODE_REGISTRY_USER", "AWS")
	t.Setenv("MULTINODE_REGISTRY_PASSWORD", "secret")
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("program "+name), 0o755))
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	repository := strings.TrimPrefix(server.URL, "http://") + "/multinode"
	pair := [2]controlplane.Programs{{Multinode: at("a"), NATSServer: at("b")}, {Multinode: at("c"), NATSServer: at("d")}}
	reference, err := push(t.Context(), t.TempDir(), repository, "v1", pair)
	must(t, err)
	again, err := push(t.Context(), t.TempDir(), repository, "v1", pair)
	must(t, err)
	if reference != again || !strings.HasPrefix(reference, repository+"@sha256:") {
		t.Errorf("it is called %s, and then %s", reference, again)
	}
	t.Setenv("MULTINODE_REGISTRY_PASSWORD", "wrong")
	if _, err := push(t.Context(), t.TempDir(), repository, "v2", pair); err == nil || !strings.Contains(err.Error(), "refuses access") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []options{{}, {push: "a", out: "b"}} {
		if _, err := o.run(t.Context()); err != errOptions { //nolint:errorlint // it is returned as it is
			t.Errorf("%+v: %v", o, err)
		}
	}
}
