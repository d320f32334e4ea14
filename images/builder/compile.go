package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// compileTime bounds compiling one folder.
const compileTime = 5 * time.Minute

// compile makes Python's bytecode of a folder anew, in a form that depends on the
// sources only, not on their times: all files in an image have the same. Nothing
// checks it later, as nobody changes the sources in an image.
func compile(ctx context.Context, python, folder, inImage string) error {
	if err := removeCompiled(folder); err != nil {
		return fmt.Errorf("compiling %s: %w", folder, err)
	}
	limited, cancel := context.WithTimeout(ctx, compileTime)
	defer cancel()
	// In an empty folder: nothing there can take the place of one of Python's own
	// modules. A seed, because the order of sets goes into the bytecode.
	empty, err := os.MkdirTemp("", "multinode-compile-")
	if err != nil {
		return fmt.Errorf("compiling %s: %w", folder, err)
	}
	defer os.RemoveAll(empty)
	c := exec.CommandContext(limited, python, "-B", "-m", "compileall", "-qq", "--invalidation-mode", "unchecked-hash",
		"-s", folder, "-p", inImage, folder)
	c.Dir = empty
	c.Env = []string{"LANG=C.UTF-8", "PYTHONHASHSEED=0", "PYTHONNOUSERSITE=1", "PATH=" + os.Getenv("PATH")}
	// A file that does not compile is found when it is imported, if it ever is.
	err = c.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && !errors.As(err, &exit):
		return fmt.Errorf("compiling %s: %w", folder, err)
	}
	return nil
}

func removeCompiled(folder string) error {
	return filepath.WalkDir(folder, func(at string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "__pycache__" {
			if err := os.RemoveAll(at); err != nil {
				return err
			}
			return fs.SkipDir
		}
		return err
	})
}
