package images

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Push stores the image in a repository such as "registry.example/team/images" and
// returns its reference by digest. It uploads only what is not there yet, and has
// the registry take layers over from its other repositories. The tag, which may be
// empty, keeps the image from being cleaned away.
func (c *Client) Push(ctx context.Context, repository, tag string, image v1.Image) (reference string, err error) {
	return c.push(ctx, repository, tag, image, func(to name.Reference, o ...remote.Option) error {
		return remote.Write(to, image, o...)
	})
}

// PushIndex is Push for an image that was made for several platforms.
func (c *Client) PushIndex(ctx context.Context, repository, tag string, index v1.ImageIndex) (reference string, err error) {
	return c.push(ctx, repository, tag, index, func(to name.Reference, o ...remote.Option) error {
		return remote.WriteIndex(to, index, o...)
	})
}

func (c *Client) push(ctx context.Context, repository, tag string, what interface{ Digest() (v1.Hash, error) }, write func(name.Reference, ...remote.Option) error) (string, error) {
	repo, err := name.NewRepository(repository, c.naming()...)
	if err != nil {
		return "", failure("%q is no name of a repository of images: %v", repository, err)
	}
	digest, err := what.Digest()
	if err != nil {
		return "", explain("reading the image", err)
	}
	byDigest := repo.Digest(digest.String())
	var to name.Reference = byDigest
	if tag != "" {
		to = repo.Tag(tag)
		if there, err := remote.Head(to, c.remote(ctx)...); err == nil && there.Digest == digest {
			return byDigest.String(), nil
		}
	}
	if err := write(to, c.remote(ctx)...); err != nil {
		return "", explain("pushing the image to "+repository, err)
	}
	return byDigest.String(), nil
}

// Import stores a base in a repository of ours, where builds and engines have it
// without the registry that it came from, and returns it as it is known there.
func (c *Client) Import(ctx context.Context, base Base, repository string) (Base, error) {
	reference, err := c.Push(ctx, repository, "base-"+short(base.Digest), base.image)
	if err != nil {
		return Base{}, err
	}
	base.Reference = reference
	return base, nil
}

// short is enough of a digest to tell images apart in one repository.
func short(digest string) string {
	_, hex, _ := strings.Cut(digest, ":")
	return hex[:min(len(hex), 32)]
}

// Find returns the reference by digest of the image that a tag names, if there is one.
func (c *Client) Find(ctx context.Context, repository, tag string) (reference string, ok bool, err error) {
	repo, err := name.NewRepository(repository, c.naming()...)
	if err != nil {
		return "", false, failure("%q is no name of a repository of images: %v", repository, err)
	}
	found, err := remote.Head(repo.Tag(tag), c.remote(ctx)...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return "", false, nil
	}
	if err != nil {
		return "", false, explain("looking for "+tag+" in "+repository, err)
	}
	return repo.Digest(found.Digest.String()).String(), true, nil
}

// TopLayer returns the last layer of an image, as it is in the registry: put on
// another image of the same repository, nothing of it is uploaded.
func (c *Client) TopLayer(ctx context.Context, reference string) (v1.Layer, error) {
	doing := "reading the image " + reference
	ref, err := name.ParseReference(reference, c.naming()...)
	if err != nil {
		return nil, failure("%q is no name of an image: %v", reference, err)
	}
	image, err := remote.Image(ref, c.remote(ctx)...)
	if err != nil {
		return nil, explain(doing, err)
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, explain(doing, err)
	}
	if len(layers) == 0 {
		return nil, failure("the image %s has no layers", reference)
	}
	return layers[len(layers)-1], nil
}

// PushLayer stores a single layer under a tag, where CachedLayer finds it.
func (c *Client) PushLayer(ctx context.Context, repository, tag string, layer v1.Layer) error {
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, "application/vnd.oci.image.manifest.v1+json"), layer)
	if err != nil {
		return explain("packing a layer", err)
	}
	_, err = c.Push(ctx, repository, tag, image)
	return err
}

// CachedLayer finds the layer that was stored under a tag. Nothing of its content
// is read before it is asked for.
func (c *Client) CachedLayer(ctx context.Context, repository, tag string) (layer v1.Layer, ok bool, err error) {
	doing := "looking for " + tag + " in " + repository
	repo, err := name.NewRepository(repository, c.naming()...)
	if err != nil {
		return nil, false, failure("%q is no name of a repository of images: %v", repository, err)
	}
	image, err := remote.Image(repo.Tag(tag), c.remote(ctx)...)
	var answer *transport.Error
	if errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, explain(doing, err)
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, false, explain(doing, err)
	}
	if len(layers) != 1 {
		return nil, false, nil
	}
	return layers[0], true, nil
}
