package controlplane

import (
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Index is one image for several platforms.
func Index(made ...v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, image := range made {
		file, err := image.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("making the image: %w", err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: image, Descriptor: v1.Descriptor{Platform: file.Platform()},
		})
	}
	return index, nil
}

// Save writes a file for `docker load`, which then knows the image by the tag.
func Save(path, tag string, image v1.Image) error {
	named, err := name.NewTag(tag)
	if err != nil {
		return fmt.Errorf("%q is no name of an image: %w", tag, err)
	}
	if err := tarball.WriteToFile(path, named, image); err != nil {
		return fmt.Errorf("writing the image: %w", err)
	}
	return nil
}
