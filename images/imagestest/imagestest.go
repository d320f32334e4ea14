// Package imagestest gives tests and benchmarks what they need to run real containers
// on a machine that can pull nothing: a base image of this machine's own Python, a
// registry that has it, and a program that is linked statically.
package imagestest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"multinode/images"
	"multinode/images/registry"
	"multinode/internal/pythontest"
)

// RequireEngine skips the test where no container engine answers, and fails it in CI.
func RequireEngine(t testing.TB) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), "docker", "version").Run(); err != nil {
		pythontest.MustOnCI(t, "no container engine: docker version: "+err.Error())
	}
}

// Program builds the multinode program for containers into the folder.
func Program(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "multinode")
	c := exec.CommandContext(ctx, "go", "build", "-o", program, "multinode/cmd/multinode")
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building multinode: %w: %s", err, out)
	}
	return program, nil
}

// Serve keeps images in the folder until stop is called.
func Serve(dir string) (host string, stop func(), err error) {
	r, err := registry.New(registry.Options{Dir: dir})
	if err != nil {
		return "", nil, err
	}
	s := httptest.NewServer(http.Handler(r))
	return s.Listener.Addr().String(), s.Close, nil
}

// Store puts an image into a registry without a password, as HOST/NAME:TAG.
func Store(ctx context.Context, reference string, image v1.Image) error {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return err
	}
	return remote.Write(ref, image, remote.WithContext(ctx))
}

// EmptyBase is a base for tests that run nothing in it.
func EmptyBase() (v1.Image, error) {
	return mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64"})
}

// ServeBase serves an image of this machine's Python until the test ends, and returns
// its name.
func ServeBase(t testing.TB) string {
	t.Helper()
	host, stop, err := Serve(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	image, err := PythonBase(t.Context(), t.TempDir())
	if err == nil {
		err = Store(t.Context(), host+"/python:3", image)
	}
	if err != nil {
		t.Fatal(err)
	}
	return host + "/python:3"
}

const filesOfPython = `
import glob, os, subprocess, sys, sysconfig
exe = os.path.realpath(sys.executable)
lib = sysconfig.get_path("stdlib")
wheels = sysconfig.get_config_var("WHEEL_PKG_DIR")
print(exe)
print(lib)
if wheels: print(wheels)
for link in (os.path.join(os.path.dirname(exe), "python3"), "/bin/sh"):
    if os.path.realpath(link) != link: print(link)
print(os.path.realpath("/bin/sh"))
seen = set()
for program in [exe, "/bin/sh"] + glob.glob(lib + "/lib-dynload/*.so"):
    for line in subprocess.run(["ldd", program], capture_output=True, text=True).stdout.splitlines():
        for word in line.split():
            if word.startswith("/"): seen.add(word)
print("\n".join(sorted(seen)))
`

// PythonBase makes an image of this machine's Python, the libraries that it needs and
// the settings of pip. The folder is for its layer, and has to stay for as long as the
// image is used.
func PythonBase(ctx context.Context, dir string) (v1.Image, error) {
	out, err := exec.CommandContext(ctx, "python3", "-c", filesOfPython).Output()
	if err != nil {
		return nil, fmt.Errorf("asking python3 for its files: %w", err)
	}
	files := strings.Split(strings.TrimSpace(string(out)), "\n")
	nothing := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(nothing, 0o755); err != nil {
		return nil, err
	}
	contents := []images.Content{{From: nothing, To: "/tmp"}}
	files = append(files, pipFiles()...)
	for i, file := range files {
		if slices.Contains(files[:i], file) {
			continue
		}
		from := file
		if strings.Contains(file, ".so") || strings.HasPrefix(file, "/etc/") {
			if from, err = filepath.EvalSymlinks(file); err != nil {
				return nil, err
			}
		}
		contents = append(contents, images.Content{From: from, To: file, Skip: unneeded})
	}
	layer, err := images.NewLayer(dir, contents...)
	if err != nil {
		return nil, err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", "amd64"
	config.Config.Env = append([]string{"PATH=" + filepath.Dir(files[0]) + ":/usr/local/bin:/usr/bin:/bin"}, pipSettings()...)
	return mutate.ConfigFile(image, config)
}

func unneeded(path string, _ os.DirEntry) bool {
	name := filepath.Base(path)
	return name == "__pycache__" || name == "site-packages" || name == "dist-packages" || name == "test" || strings.HasPrefix(name, "config-")
}

// pipSettings are the variables by which pip finds packages here.
func pipSettings() []string {
	var settings []string
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if upper := strings.ToUpper(name); strings.HasPrefix(upper, "PIP_") || strings.HasSuffix(upper, "_PROXY") {
			settings = append(settings, pair)
		}
	}
	return settings
}

// pipFiles are the files that its settings name.
func pipFiles() []string {
	files := []string{"/etc/pip.conf"}
	for _, pair := range pipSettings() {
		_, value, _ := strings.Cut(pair, "=")
		files = append(files, value)
	}
	var there []string
	for _, file := range append(files, "/etc/ssl/certs/ca-certificates.crt") {
		if _, err := os.Stat(file); err == nil && filepath.IsAbs(file) {
			there = append(there, file)
		}
	}
	return there
}

// Extend puts contents on top of a served image, which then runs as the user, and
// returns the name of the result.
func Extend(t testing.TB, base, user string, contents ...images.Content) string {
	t.Helper()
	ref, err := name.ParseReference(base)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	layer, err := images.NewLayer(t.TempDir(), contents...)
	if err != nil {
		t.Fatal(err)
	}
	if image, err = mutate.AppendLayers(image, layer); err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.Config.User = user
	if image, err = mutate.ConfigFile(image, config); err != nil {
		t.Fatal(err)
	}
	extended := ref.Context().Tag("extended").String()
	if err := Store(t.Context(), extended, image); err != nil {
		t.Fatal(err)
	}
	return extended
}

// File writes a file with this content.
func File(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
