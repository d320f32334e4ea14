package images

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// DefaultPython is the version of Python that a project gets that names none.
const DefaultPython = "3.12"

// bases are the images that versions of Python come from.
var bases = map[string]string{
	"3.9":  "docker.io/library/python:3.9-slim",
	"3.10": "docker.io/library/python:3.10-slim",
	"3.11": "docker.io/library/python:3.11-slim",
	"3.12": "docker.io/library/python:3.12-slim",
	"3.13": "docker.io/library/python:3.13-slim",
}

// BaseFor returns the image that a version of Python comes from; "" is the
// default version. Its error is a *Failure that names the versions there are.
func BaseFor(python string) (string, error) {
	if base, ok := bases[cmp.Or(python, DefaultPython)]; ok {
		return base, nil
	}
	versions := slices.SortedFunc(maps.Keys(bases), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return "", failure("there is no base image for Python %s: use one of %s, or name an image of your own",
		python, strings.Join(versions, ", "))
}

// The platforms that images are made for.
const (
	LinuxAMD64 = "linux/amd64"
	LinuxARM64 = "linux/arm64"
)

// Base is an image to build on.
type Base struct {
	// Reference names what the tag pointed to, by digest: an image, or an index of
	// images for several platforms.
	Reference string
	// Digest is that of the image for the platform.
	Digest string
	// Platform is LinuxAMD64 or LinuxARM64.
	Platform string

	image v1.Image
}

// Base looks an image up, once: by tag or by digest. What the tag points to later
// does not matter to the result.
func (c *Client) Base(ctx context.Context, reference, platform string) (Base, error) {
	if platform != LinuxAMD64 && platform != LinuxARM64 {
		return Base{}, failure("there is no platform %q: use %s or %s", platform, LinuxAMD64, LinuxARM64)
	}
	fail := func(err error) (Base, error) { return Base{}, explain("reading the base image "+reference, err) }
	ref, err := name.ParseReference(reference, c.naming()...)
	if err != nil {
		return Base{}, failure("%q is no name of an image: %v", reference, err)
	}
	wanted, err := v1.ParsePlatform(platform)
	if err != nil {
		return fail(err)
	}
	found, err := remote.Get(ref, c.remote(ctx, remote.WithPlatform(*wanted))...)
	if err != nil {
		return fail(err)
	}
	if index, err := found.ImageIndex(); found.MediaType.IsIndex() && err == nil {
		if offered := platforms(index); offered != nil && !slices.ContainsFunc(offered, func(p v1.Platform) bool { return p.Satisfies(*wanted) }) {
			return Base{}, failure("the base image %s is not made for %s", reference, platform)
		}
	}
	image, err := found.Image()
	if err != nil {
		return fail(err)
	}
	digest, err := image.Digest()
	if err != nil {
		return fail(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return fail(err)
	}
	if has := config.OS + "/" + config.Architecture; has != platform {
		return Base{}, failure("the base image %s is made for %s, not for %s", reference, has, platform)
	}
	return Base{
		Reference: ref.Context().Digest(found.Digest.String()).String(), Digest: digest.String(), Platform: platform, image: image,
	}, nil
}

// User is who the base runs as, as its author wrote it; empty for nobody in particular.
func (b Base) User() (string, error) {
	config, err := b.image.ConfigFile()
	if err != nil {
		return "", explain("reading the base image "+b.Reference, err)
	}
	return config.Config.User, nil
}

func platforms(index v1.ImageIndex) []v1.Platform {
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil
	}
	var found []v1.Platform
	for _, m := range manifest.Manifests {
		if m.Platform != nil {
			found = append(found, *m.Platform)
		}
	}
	return found
}

func failure(format string, args ...any) error { return &Failure{Detail: fmt.Sprintf(format, args...)} }
