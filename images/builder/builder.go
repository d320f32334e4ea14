// Package builder is the program that makes the image of one version. It runs in a
// container of the base image: what pip installs there is right for the base and
// for its platform, and main.py is imported where it will run.
//
// What it is to do, it asks of its control, and tells it how that ended. It installs
// nothing where the registry has the dependencies of the same requirements on the
// same base already.
package builder

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"multinode/dispatcher/build"
	"multinode/images"
	"multinode/images/order"
)

// EnvironmentsFolder is where environments lie in images: below it by their keys,
// at the same place in which they were made.
const EnvironmentsFolder = "/opt/multinode"

// Options of Run. Control is needed.
type Options struct {
	Control order.Control
	// Dir is for work in progress; a temporary folder by default.
	Dir string
	// Environments is EnvironmentsFolder by default, and only tests have another.
	Environments string
	// Program goes into the image; by default it is the one that runs.
	Program string
	// Python is "python3" by default.
	Python string
	Logger *slog.Logger
}

// Run builds one image. It reports what is the project's fault, and troubles with the
// registry; those, and its other errors, are such that another try may do better.
func Run(ctx context.Context, o Options) error {
	o, err := o.complete()
	if err != nil {
		return err
	}
	defer os.RemoveAll(o.Dir)
	what, err := o.Control.Order(ctx)
	if err != nil {
		return fmt.Errorf("asking what to build: %w", err)
	}
	say := newTeller(ctx, o.Control, o.Logger)
	report, err := o.build(ctx, what, say.tell)
	say.close()
	var project *build.Failure
	var registry *images.Failure
	var here *fs.PathError
	switch {
	case err == nil:
	case errors.As(err, &project):
		report, err = order.Report{Failure: project.Detail}, nil
	case errors.As(err, &registry) && !registry.Refused:
		report, err = order.Report{Failure: registry.Detail}, nil
	case errors.As(err, &here) || ctx.Err() != nil || errors.Is(err, order.ErrOver) || errors.Is(err, order.ErrTicket):
		return err // files may be the project's doing: a build may end like this a few times only
	default: // all that it reads and writes is in the server's repository
		report = order.Report{Trouble: err.Error()}
	}
	if untold := o.Control.Report(ctx, report); untold != nil {
		return errors.Join(err, fmt.Errorf("reporting the build: %w", untold))
	}
	return err
}

func (o Options) complete() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Environments == "" {
		o.Environments = EnvironmentsFolder
	}
	if o.Program == "" {
		program, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("finding the own program: %w", err)
		}
		o.Program = program
	}
	dir, err := os.MkdirTemp(o.Dir, "multinode-build-")
	if err != nil {
		return o, fmt.Errorf("making a folder to build in: %w", err)
	}
	o.Dir = dir
	return o, nil
}

func (o Options) build(ctx context.Context, what order.Order, tell func(string)) (order.Report, error) {
	registry := images.New(images.Options{Credentials: credentials(what.Credentials), Insecure: what.Insecure})
	base, err := registry.Base(ctx, what.Base, what.Platform)
	if err != nil {
		return order.Report{}, err
	}
	code, err := build.New(build.Options{
		Dir: filepath.Join(o.Dir, "cache"), Environments: o.Environments, Python: o.Python, Logger: o.Logger,
		SystemPackages: what.SystemPackages,
	})
	if err != nil {
		// The base has no Python that will do: that is for whoever chose it.
		return order.Report{}, &build.Failure{Detail: "the base image " + base.Reference + " cannot be built on: " + err.Error()}
	}
	if has := code.PythonVersion(); what.Python != "" && !strings.HasPrefix(has+".", what.Python+".") {
		return order.Report{}, &build.Failure{Detail: fmt.Sprintf("the project asks for Python %s, and %s has %s", what.Python, cmp.Or(what.BaseName, what.Base), has)}
	}
	source := build.Source{
		Digest: what.Bundle, Environment: what.Environment,
		Bundle: func() (io.ReadCloser, error) { return o.Control.Bundle(ctx) },
	}
	env, err := code.EnvironmentOf(ctx, source)
	if err != nil {
		return order.Report{}, err
	}
	store := dependencies{
		registry: registry, repository: what.Repository, tag: dependenciesTag(env.Key, base), code: code, env: env, dir: o.Dir,
	}
	if err := store.fetch(ctx, tell); err != nil {
		return order.Report{}, err
	}
	// Other projects with the same requirements get the layer of the dependencies: it is
	// made before anything of this one's runs.
	layers := make([]v1.Layer, 3)
	source.Installed = func(at build.Code) (err error) {
		layers[0], err = store.layer(ctx, at.Python, tell)
		return err
	}
	prepared, err := code.Prepare(ctx, source, tell)
	if err != nil {
		return order.Report{}, err
	}
	at, err := code.Locate(ctx, what.Bundle, source.Bundle)
	if err != nil {
		return order.Report{}, err
	}
	if layers[1], err = o.runner(ctx, registry, what); err != nil {
		return order.Report{}, err
	}
	if err := compile(ctx, at.Python, at.ProjectDir, images.CodeFolder); err != nil {
		return order.Report{}, err
	}
	owner, err := ownerOf(base, what.SystemPackages)
	if err != nil {
		return order.Report{}, err
	}
	if layers[2], err = images.CodeLayer(o.Dir, at.ProjectDir, owner); err != nil {
		return order.Report{}, err
	}
	bin := path.Join(EnvironmentsFolder, env.Key, "bin")
	labels := map[string]string{"base": what.BaseName}
	if what.BaseName == "" {
		labels["base"] = base.Reference
	}
	maps.Copy(labels, what.Labels)
	image, err := images.With(base, images.Config{
		Python: path.Join(bin, "python"), Path: bin, Labels: labels, KeepUser: what.SystemPackages,
	}, layers...)
	if err != nil {
		return order.Report{}, err
	}
	tell("Pushing the image")
	reference, err := registry.Push(ctx, what.Repository, codeTag(what.Bundle, base), image)
	if err != nil {
		return order.Report{}, err
	}
	return order.Report{Functions: prepared.Functions, Image: reference, Base: base.Digest}, nil
}

// runner returns the layer of the runner.
func (o Options) runner(ctx context.Context, registry *images.Client, what order.Order) (v1.Layer, error) {
	if what.Runner != "" {
		return registry.TopLayer(ctx, what.Runner)
	}
	return images.RunnerLayer(o.Dir, o.Program)
}

// codeTag keeps an image in a registry that removes what has no tag.
func codeTag(bundle string, base images.Base) string {
	sum := sha256.Sum256([]byte(bundle + "\n" + base.Digest))
	return "code-" + hex.EncodeToString(sum[:16])
}

// dependenciesTag names all that the layer of dependencies depends on.
func dependenciesTag(key string, base images.Base) string {
	sum := sha256.Sum256([]byte(key + "\n" + base.Digest + "\n" + base.Platform))
	return "dependencies-" + hex.EncodeToString(sum[:16])
}

func credentials(given map[string]order.Credential) map[string]images.Credential {
	all := map[string]images.Credential{}
	for registry, c := range given {
		all[registry] = images.Credential(c)
	}
	return all
}
