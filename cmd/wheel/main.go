// Command wheel builds the Python wheel that carries the multinode binary for
// this platform, so that `pip install` of it is all that a user needs. Run it
// from the repository's root.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"

	"multinode/python"
)

// platforms are the tags of PEP 425 for where we build. The binary is static on
// Linux, so that the oldest glibc tag is true.
var platforms = map[string]string{
	"linux/amd64":  "manylinux_2_17_x86_64",
	"linux/arm64":  "manylinux_2_17_aarch64",
	"darwin/amd64": "macosx_12_0_x86_64",
	"darwin/arm64": "macosx_12_0_arm64",
}

func main() {
	out := flag.String("out", "dist", "the folder to put the wheel into")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	path, err := build(ctx, *out)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wheel:", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

// build returns the path of the wheel that it made.
func build(ctx context.Context, out string) (path string, err error) {
	platform, ok := platforms[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("there is no wheel for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(out, ".wheel-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "multinode")
	compile := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./cmd/multinode")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := compile.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, text)
	}
	file, err := os.Create(filepath.Join(dir, "wheel"))
	if err != nil {
		return "", err
	}
	name, err := python.WriteWheel(file, python.WheelOptions{Binary: binary, Platform: platform})
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", err
	}
	path = filepath.Join(out, name)
	return path, os.Rename(file.Name(), path)
}
