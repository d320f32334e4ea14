package builder

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"multinode/dispatcher/build"
	"multinode/images"
)

// dependencies is an environment and the layer that it is stored as.
type dependencies struct {
	registry        *images.Client
	repository, tag string
	code            *build.Builder
	env             build.Environment
	dir             string

	stored v1.Layer // nil where the registry has none
}

// fetch gets the environment from the registry, where that has it.
func (d *dependencies) fetch(ctx context.Context, tell func(string)) error {
	layer, ok, err := d.registry.CachedLayer(ctx, d.repository, d.tag)
	if err != nil || !ok {
		return err
	}
	d.stored = layer
	if d.env.Made {
		return nil
	}
	tell("Fetching the dependencies that were installed for the same requirements before")
	parent := filepath.Dir(d.env.Dir)
	if err := os.RemoveAll(d.env.Dir); err != nil {
		return fmt.Errorf("unpacking the dependencies: %w", err)
	}
	if err := images.Extract(layer, EnvironmentsFolder, parent); err != nil {
		return err
	}
	return d.code.Adopt(d.env.Key)
}

// layer returns the environment as a layer, and stores it where it is new.
func (d *dependencies) layer(ctx context.Context, python string, tell func(string)) (v1.Layer, error) {
	if d.stored != nil {
		return d.stored, nil
	}
	tell("Packing the dependencies")
	inImage := path.Join(EnvironmentsFolder, d.env.Key)
	if err := compile(ctx, python, d.env.Dir, inImage); err != nil {
		return nil, err
	}
	if err := forgetWheel(d.env.Dir); err != nil {
		return nil, fmt.Errorf("packing the dependencies: %w", err)
	}
	layer, err := images.NewLayer(d.dir, images.Content{
		From: d.env.Dir, To: inImage, Skip: func(path string, _ fs.DirEntry) bool { return build.IsMarker(path) },
	})
	if err != nil {
		return nil, err
	}
	return layer, d.registry.PushLayer(ctx, d.repository, d.tag, layer)
}

// forgetWheel removes pip's note of the file that package multinode came from: it
// lay in a temporary folder, whose name is another one each time.
func forgetWheel(environment string) error {
	notes, err := filepath.Glob(filepath.Join(environment, "lib", "python*", "site-packages", "multinode-*.dist-info", "direct_url.json"))
	if err != nil {
		return err
	}
	for _, note := range notes {
		record := filepath.Join(filepath.Dir(note), "RECORD")
		content, err := os.ReadFile(record)
		if err != nil {
			return err
		}
		var kept strings.Builder
		for line := range strings.Lines(string(content)) {
			if !strings.Contains(line, "/direct_url.json,") {
				kept.WriteString(line)
			}
		}
		if err := os.WriteFile(record, []byte(kept.String()), 0o644); err != nil {
			return err
		}
		if err := os.Remove(note); err != nil {
			return err
		}
	}
	return nil
}
