package build

import (
	"context"
	"fmt"
	"os"
)

// Environment is the Python environment that a project needs, made or not.
type Environment struct {
	// Key names all that it depends on: the interpreter, the requirements and
	// package multinode.
	Key string
	// Dir is where it lies.
	Dir string
	// Made tells whether it is complete.
	Made bool
}

// EnvironmentOf returns the environment that Prepare will use for the same source,
// and unpacks the code for that. One that is not made may be filled by the caller,
// with what was made elsewhere by the same key; then Adopt says that it is complete.
func (b *Builder) EnvironmentOf(ctx context.Context, s Source) (Environment, error) {
	if !validDigest(s.Digest) {
		return Environment{}, fmt.Errorf("preparing code: %q is no digest of a bundle", s.Digest)
	}
	project, err := b.project(ctx, s.Digest, s.Bundle, func(string) {})
	if err != nil {
		return Environment{}, err
	}
	needs, err := readRequirements(project)
	if err != nil {
		return Environment{}, err
	}
	key, err := b.environmentKey(needs, s.Digest)
	if err != nil {
		return Environment{}, err
	}
	env := b.environmentAt(key)
	return Environment{Key: key, Dir: env.dir, Made: env.complete()}, nil
}

// Adopt marks an environment as complete that was not made here.
func (b *Builder) Adopt(key string) error {
	if err := os.WriteFile(b.environmentAt(key).marker(), []byte("{}\n"), 0o644); err != nil {
		return fmt.Errorf("marking the environment as complete: %w", err)
	}
	return nil
}

// IsMarker tells whether a file at the top of an environment is the mark that Adopt
// sets: it is no part of what is made.
func IsMarker(name string) bool { return name == markerName }
