package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// workerProgram builds the multinode binary once: workers run it, and so does
// what is measured from outside.
var workerProgram = func() func(context.Context) (string, error) {
	var (
		once sync.Once
		path string
		err  error
	)
	return func(ctx context.Context) (string, error) {
		once.Do(func() {
			var dir string
			if dir, err = os.MkdirTemp("", "multinode-bench-binary-"); err != nil {
				return
			}
			path = filepath.Join(dir, "multinode")
			build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/multinode")
			build.Env = append(os.Environ(), "CGO_ENABLED=0") // it may go into images
			out, failed := build.CombinedOutput()
			if failed != nil {
				err = fmt.Errorf("build the binary (run this from the repository's root): %w\n%s", failed, out)
			}
		})
		return path, err
	}
}()
