// Package build prepares the code of versions: it unpacks a bundle, makes the
// Python environment that its requirements.txt asks for, and imports its main.py
// there to learn its functions.
//
// Everything it keeps is a cache below one folder, made again from the bundle
// where it is missing:
//
//	projects/<digest>/code     the unpacked bundle
//	projects/<digest>/ready    a link to the marker of its environment
//	environments/<key>/        a virtual environment, shared by all versions with the
//	                           same requirements; environment.json is its marker
//
// A virtual environment can't be moved, so it is made where it stays, under a
// lock, and the marker is written last: one without a marker is a ruin of a crash
// and wiped. The ready link is what makes a later call cost one stat: it leads to
// nothing as soon as either the project or its environment is gone.
package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"multinode"
	"multinode/bundle"
)

// Defaults of Options.
const (
	DefaultInstallTimeout = 10 * time.Minute
	DefaultInspectTimeout = time.Minute
)

// Options of New. Only Dir is needed.
type Options struct {
	// Dir is the folder of the cache. It belongs to one Builder at a time.
	Dir string
	// Environments is the folder of the environments. Its default lies in Dir;
	// another one may be shared by several processes, and Keep leaves it alone.
	Environments string
	// Python is the interpreter that environments are made with, "python3" by
	// default: a path, or a name to look up in PATH.
	Python string
	// SystemPackages lets environments have the packages of the interpreter itself.
	SystemPackages bool
	// InstallTimeout bounds pip, InspectTimeout the import of main.py.
	InstallTimeout, InspectTimeout time.Duration
	Logger                         *slog.Logger
}

// Builder prepares code. Its methods may be called concurrently.
type Builder struct {
	options      Options
	projects     string
	environments string
	python       interpreter
	log          *slog.Logger

	codes flights[Code]        // by bundle digest
	envs  flights[environment] // by environment key

	// inUse is held for reading by those who make things, for writing by Keep.
	inUse sync.RWMutex
	mu    sync.Mutex
	// located holds what Locate found before, and when that was last asked for.
	located map[string]located
}

type located struct {
	code Code
	used time.Time
}

// Code is where a prepared version lies.
type Code struct {
	// ProjectDir is the unpacked bundle. Nobody may write into it.
	ProjectDir string
	// Python is the interpreter of its environment.
	Python string
}

// Source is what Prepare works on.
type Source struct {
	// Digest is the bundle's, which the content must have.
	Digest string
	// Bundle opens the bundle; it is called only where the cache has not got it.
	Bundle func() (io.ReadCloser, error)
	// Environment holds the values of the project's .env file. They are given to
	// main.py when it is imported, not to pip, and never appear in what Prepare
	// tells.
	Environment map[string]string
	// Installed is called before main.py is imported, which may change whatever it can
	// write to, such as what others are to share; optional.
	Installed func(code Code) error
}

// Result of Prepare.
type Result struct {
	// Functions are valid, have unique names, and are in the order of main.py.
	Functions []multinode.FunctionSpec
}

// Failure is a fault of the user's project, such as a package that does not exist
// or an exception in main.py: trying again gives the same. Other errors are the
// server's own.
//
//nolint:errname // It is a finding about the project more than an error of ours.
type Failure struct {
	// Detail is for the user: many lines, in the words of pip or Python.
	Detail string
}

func (f *Failure) Error() string { return f.Detail }

// New makes a Builder. It runs the interpreter once, and fails where that can't
// make environments: the error says what to install.
func New(o Options) (*Builder, error) {
	if o.Dir == "" {
		return nil, errors.New("making a builder: its Dir is not given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("making a builder: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Python == "" {
		o.Python = "python3"
	}
	if o.InstallTimeout == 0 {
		o.InstallTimeout = DefaultInstallTimeout
	}
	if o.InspectTimeout == 0 {
		o.InspectTimeout = DefaultInspectTimeout
	}
	b := &Builder{
		options: o, log: o.Logger, projects: filepath.Join(dir, "projects"), environments: filepath.Join(dir, "environments"),
		located: map[string]located{},
	}
	if o.Environments != "" {
		if b.environments, err = filepath.Abs(o.Environments); err != nil {
			return nil, fmt.Errorf("making a builder: %w", err)
		}
	}
	for _, folder := range []string{b.projects, b.environments} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return nil, fmt.Errorf("making a builder: %w", err)
		}
	}
	if b.python, err = probe(o.Python); err != nil {
		return nil, err
	}
	return b, b.sweep()
}

// PythonVersion is that of the interpreter, such as "3.11.7".
func (b *Builder) PythonVersion() string { return b.python.Version }

// Prepare makes the version's code ready and returns its functions. It calls
// progress, which may be nil, with lines for the user while it works, from one
// goroutine at a time and never after it returned. Its error is a *Failure where
// the project is at fault. Concurrent calls share what they have in common.
func (b *Builder) Prepare(ctx context.Context, s Source, progress func(line string)) (Result, error) {
	secrets := newRedactor(s.Environment)
	tell := func(line string) {
		if progress != nil {
			progress(secrets.redact(line))
		}
	}
	if err := bundle.ValidateEnvironment(s.Environment); err != nil {
		return Result{}, &Failure{Detail: err.Error()}
	}
	started := time.Now()
	code, err := b.prepared(ctx, s.Digest, s.Bundle, tell)
	if err == nil && s.Installed != nil {
		err = s.Installed(code)
	}
	if err == nil {
		var functions []multinode.FunctionSpec
		if functions, err = b.inspect(ctx, code, s.Environment, tell); err == nil {
			tell(summary(functions))
			b.log.Info("code prepared", "digest", s.Digest, "functions", len(functions), "took", time.Since(started))
			return Result{Functions: functions}, nil
		}
	}
	return Result{}, secrets.redactError(err)
}

// Locate returns where a version's code lies, after making what is missing of it
// from the bundle that fetch opens. Concurrent calls share one preparation; where
// nothing is missing, a call costs one stat.
func (b *Builder) Locate(ctx context.Context, digest string, fetch func() (io.ReadCloser, error)) (Code, error) {
	b.mu.Lock()
	found, ok := b.located[digest]
	if ok {
		b.located[digest] = located{found.code, time.Now()}
	}
	b.mu.Unlock()
	if ok {
		if _, err := os.Stat(b.readyLink(digest)); err == nil {
			return found.code, nil
		}
	}
	return b.prepared(ctx, digest, fetch, func(string) {})
}

// prepared sees to it that project and environment are there.
func (b *Builder) prepared(ctx context.Context, digest string, fetch func() (io.ReadCloser, error), tell func(string)) (Code, error) {
	if !validDigest(digest) {
		return Code{}, fmt.Errorf("preparing code: %q is no digest of a bundle", digest)
	}
	return b.codes.do(ctx, digest, tell, func(ctx context.Context, tell func(string)) (Code, error) {
		b.inUse.RLock()
		defer b.inUse.RUnlock()
		project, err := b.project(ctx, digest, fetch, tell)
		if err != nil {
			return Code{}, err
		}
		env, err := b.environment(ctx, project, digest, tell)
		if err != nil {
			return Code{}, err
		}
		if err := b.compile(ctx, project, env); err != nil {
			return Code{}, err
		}
		if err := b.link(digest, env); err != nil {
			return Code{}, err
		}
		code := Code{ProjectDir: project, Python: env.python()}
		b.mu.Lock()
		b.located[digest] = located{code, time.Now()}
		b.mu.Unlock()
		return code, nil
	})
}

// validDigest keeps anything but a digest out of paths.
func validDigest(digest string) bool {
	return len(digest) == 64 && strings.Trim(digest, "0123456789abcdef") == ""
}

func summary(functions []multinode.FunctionSpec) string {
	names := make([]string, 0, len(functions))
	for _, f := range functions {
		names = append(names, f.Name)
	}
	if len(names) > 10 {
		names = append(names[:10], fmt.Sprintf("and %d more", len(names)-10))
	}
	return "Found in main.py: " + strings.Join(names, ", ")
}
