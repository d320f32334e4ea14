package container

import (
	"context"
	"errors"
	"strings"
	"sync"

	"multinode"
	"multinode/dispatcher/build"
	"multinode/images"
	"multinode/images/builder"
)

// named is a base as people know it.
type named struct {
	name string
	// own tells that the project chose it.
	own bool
}

// versionMark stands for the version of Python in Options.Base.
const versionMark = "{version}"

func (w *Workshop) baseFor(v multinode.Version) (named, error) {
	switch {
	case w.options.Base == "":
		base, err := images.BaseFor(v.Python)
		return named{name: base}, err
	case v.Python == "":
		return named{name: strings.ReplaceAll(w.options.Base, versionMark, images.DefaultPython)}, nil
	case strings.Contains(w.options.Base, versionMark):
		if _, err := images.BaseFor(v.Python); err != nil {
			return named{}, err
		}
		return named{name: strings.ReplaceAll(w.options.Base, versionMark, v.Python)}, nil
	}
	return named{name: w.options.Base}, nil // the build finds out whether it has that version
}

// projectFault makes what a registry finds for good the project's failure: that ends
// the deployment with the reason.
func projectFault(err error) error {
	var lasting *images.Failure
	if errors.As(err, &lasting) {
		return &build.Failure{Detail: lasting.Detail}
	}
	return err
}

// serverFault is projectFault for what the server chose. A registry that refuses it
// refuses whoever runs the server, who can mend that: the deployment waits.
func serverFault(err error) error {
	var lasting *images.Failure
	if errors.As(err, &lasting) && lasting.Refused {
		return errors.New(lasting.Detail)
	}
	return projectFault(err)
}

// foundation is a base in the repository, and the image that builds on it run in.
type foundation struct {
	base   images.Base
	runner string
}

// bases are the foundations that were laid, by the base's name, each looked up anew
// for every build: a tag may point to a newer image by now.
type bases struct {
	mu   sync.Mutex
	laid map[string]foundation // by the digest of the base
}

// lay sees to it that the repository has the base and the builder's image.
func (w *Workshop) lay(ctx context.Context, b named) (foundation, error) {
	o := w.options
	base, err := o.Images.Base(ctx, b.name, o.Platform)
	switch {
	case err != nil && b.own:
		return foundation{}, projectFault(err)
	case err != nil:
		return foundation{}, serverFault(err)
	}
	w.bases.mu.Lock()
	defer w.bases.mu.Unlock()
	if f, ok := w.bases.laid[base.Digest]; ok {
		if _, ok, err := o.Images.Find(ctx, o.Repository, builderTag(base, w.program)); ok || err != nil {
			return f, serverFault(err)
		}
	}
	f := foundation{}
	if f.base, err = o.Images.Import(ctx, base, o.Repository); err != nil {
		return f, serverFault(err)
	}
	if f.runner, err = w.builderImage(ctx, f.base); err != nil {
		return f, serverFault(err)
	}
	if w.bases.laid == nil {
		w.bases.laid = map[string]foundation{}
	}
	w.bases.laid[base.Digest] = f
	return f, nil
}

// forget has a foundation laid anew.
func (w *Workshop) forget(f foundation) {
	w.bases.mu.Lock()
	defer w.bases.mu.Unlock()
	delete(w.bases.laid, f.base.Digest)
}

// builderImage returns the image of a builder on the base, by digest.
func (w *Workshop) builderImage(ctx context.Context, base images.Base) (string, error) {
	o := w.options
	tag := builderTag(base, w.program)
	if reference, ok, err := o.Images.Find(ctx, o.Repository, tag); ok || err != nil {
		return reference, err
	}
	layer, err := images.RunnerLayer(o.Dir, o.Program)
	if err != nil {
		return "", err
	}
	defer func() { _ = layer.Close() }()
	root := 0
	image, err := images.With(base, images.Config{
		Command: "build-image", User: &root, WorkingDir: builder.EnvironmentsFolder,
		Environment: map[string]string{"TMPDIR": builder.EnvironmentsFolder + "/.tmp"},
	}, layer)
	if err != nil {
		return "", err
	}
	return o.Images.Push(ctx, o.Repository, tag, image)
}
