package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"multinode/python"
)

// environment is a virtual environment of Python.
type environment struct {
	key string
	dir string
}

const markerName = "environment.json"

// marker is a file that is there only when the environment is complete.
func (e environment) marker() string { return filepath.Join(e.dir, markerName) }

func (e environment) python() string { return filepath.Join(e.dir, "bin", "python") }

func (e environment) complete() bool {
	_, err := os.Stat(e.marker())
	return err == nil
}

func (b *Builder) environmentAt(key string) environment {
	return environment{key: key, dir: filepath.Join(b.environments, key)}
}

// environment returns the environment for the project, after making it where
// there is none yet.
func (b *Builder) environment(ctx context.Context, project, digest string, tell func(string)) (environment, error) {
	needs, err := readRequirements(project)
	if err != nil {
		return environment{}, err
	}
	key, err := b.environmentKey(needs, digest)
	if err != nil {
		return environment{}, err
	}
	env := b.environmentAt(key)
	if env.complete() {
		tell("Using the Python environment that was made for the same requirements before")
		return env, nil
	}
	return b.envs.do(ctx, key, tell, func(ctx context.Context, tell func(string)) (environment, error) {
		lock, err := takeLock(ctx, env.dir+".lock", func() {
			tell("Waiting for another process that makes the same Python environment")
		})
		if err != nil {
			return environment{}, fmt.Errorf("locking the environment: %w", err)
		}
		defer lock.Close()
		if env.complete() {
			return env, nil
		}
		started := time.Now()
		if err := b.make(ctx, env, project, needs, lock, tell); err != nil {
			return environment{}, errors.Join(err, os.RemoveAll(env.dir))
		}
		b.log.Info("environment made", "environment", key, "took", time.Since(started))
		return env, nil
	})
}

// environmentKey names what an environment depends on.
func (b *Builder) environmentKey(needs requirements, digest string) (string, error) {
	if !needs.local {
		digest = ""
	}
	sources, err := python.Digest()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	parts := []string{b.python.Build, sources, digest, needs.normal}
	if b.options.SystemPackages {
		parts = append(parts, "system packages")
	}
	for _, part := range parts {
		fmt.Fprintf(sum, "%d\n%s\n", len(part), part)
	}
	// Half of the digest is enough, and keeps paths short: some systems cut "#!"
	// lines at 127 bytes.
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// make builds an environment under its lock.
func (b *Builder) make(ctx context.Context, env environment, project string, needs requirements, lock *os.File, tell func(string)) error {
	if err := os.RemoveAll(env.dir); err != nil {
		return fmt.Errorf("removing a half-made environment: %w", err)
	}
	tell(fmt.Sprintf("Making a Python %s environment", b.python.Version))
	pip, err := b.venv(ctx, env, lock)
	if err != nil {
		return err
	}
	if err := b.install(ctx, env, pip, project, needs, lock, tell); err != nil {
		return err
	}
	if err := syncFolder(env.dir); err != nil {
		return fmt.Errorf("writing the environment to disk: %w", err)
	}
	about, err := json.MarshalIndent(map[string]string{
		"made_at": time.Now().UTC().Format(time.RFC3339), "python": b.python.Version, "requirements": needs.normal,
	}, "", "  ")
	if err != nil {
		return fmt.Errorf("marking the environment as complete: %w", err)
	}
	temporary := env.marker() + ".new"
	if err := os.WriteFile(temporary, about, 0o644); err != nil {
		return fmt.Errorf("marking the environment as complete: %w", err)
	}
	if err := os.Rename(temporary, env.marker()); err != nil {
		return fmt.Errorf("marking the environment as complete: %w", err)
	}
	return nil
}

// install has pip install package multinode and what the project asks for: at
// once, so that it finds versions that fit both.
func (b *Builder) install(ctx context.Context, env environment, pip []string, project string, needs requirements, lock *os.File, tell func(string)) error {
	wheels, err := os.MkdirTemp("", wheelFolder)
	if err != nil {
		return fmt.Errorf("writing the multinode package: %w", err)
	}
	defer os.RemoveAll(wheels)
	wheel, err := writeWheel(wheels)
	if err != nil {
		return err
	}
	runs := [][]string{{wheel}}
	if needs.present && needs.hashed {
		// With hashes pip takes nothing that has none: the wheel goes alone.
		runs = append(runs, []string{"-r", requirementsFile})
	} else if needs.present {
		runs[0] = append(runs[0], "-r", requirementsFile)
	}
	limit := time.Now().Add(b.options.InstallTimeout)
	for _, what := range runs {
		var said tail
		both := func(line string) {
			said.add(line)
			tell(line)
		}
		c := command{
			path: env.python(), dir: project, env: pipEnvironment(), limit: time.Until(limit),
			args:   slices.Concat(pip, []string{"install", "--progress-bar", "off"}, what),
			stdout: both, stderr: both, third: lock,
		}
		err := c.run(ctx)
		switch {
		case errors.Is(err, errTimeLimit):
			return &Failure{Detail: fmt.Sprintf("installing the requirements took longer than %v; pip said last:\n%s", b.options.InstallTimeout, said.String())}
		case isExit(err) && strings.Contains(said.String(), "No space left on device"):
			return fmt.Errorf("installing the requirements: %w", syscall.ENOSPC)
		case isExit(err):
			return &Failure{Detail: pipFailure(said)}
		case err != nil:
			return fmt.Errorf("installing the requirements: %w", err)
		}
	}
	return nil
}

func writeWheel(dir string) (string, error) {
	file, err := os.CreateTemp(dir, "")
	if err != nil {
		return "", fmt.Errorf("writing the multinode package: %w", err)
	}
	name, err := python.WriteWheel(file, python.WheelOptions{})
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return "", fmt.Errorf("writing the multinode package: %w", err)
	}
	return filepath.Join(dir, name), nil
}
