package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// build makes the binary under test, with fail points.
func build(ctx context.Context, root, to string, b built) error {
	arguments := []string{"build", "-o", to, "-tags", "failpoints"}
	if b.race {
		arguments = append(arguments, "-race")
	}
	if b.stepped {
		stepped, err := steppedTime(ctx, filepath.Dir(to))
		if err != nil {
			return err
		}
		arguments = append(arguments, stepped...) // its tags count: they come last
	}
	return gobuild(ctx, root, append(arguments, "./cmd/multinode"))
}

func gobuild(ctx context.Context, root string, arguments []string) error {
	return execute(ctx, root, "go", arguments)
}

func execute(ctx context.Context, dir, program string, arguments []string) error {
	command := exec.CommandContext(ctx, program, arguments...)
	command.Dir, command.Env = dir, os.Environ()
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", program, arguments, err, out)
	}
	return nil
}
