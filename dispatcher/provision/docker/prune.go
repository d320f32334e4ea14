package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// volumesEvery is how often volumes are looked for that lost their container, as by
// `docker rm` of it.
const volumesEvery = time.Hour

// RetainImages removes the engine's copies of images of a repository, except for those
// of these references by digest. It returns false where a container uses one of them,
// such as that of a worker that is just ending: call it again then.
func (p *Provisioner) RetainImages(ctx context.Context, repository string, references []string) (done bool, err error) {
	all, err := p.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", repository))})
	if err != nil {
		return false, fmt.Errorf("listing images: %w", err)
	}
	var errs []error
	done = true
	for _, i := range all {
		for _, reference := range i.RepoDigests {
			if !strings.HasPrefix(reference, repository+"@") || slices.Contains(references, reference) {
				continue
			}
			_, err := p.engine.ImageRemove(ctx, reference, image.RemoveOptions{PruneChildren: true})
			switch {
			case errdefs.IsConflict(err):
				done = false
			case err != nil && !errdefs.IsNotFound(err):
				errs = append(errs, fmt.Errorf("removing the image %s: %w", reference, err))
			}
		}
	}
	return done, errors.Join(errs...)
}

// pruneVolumes removes volumes of workers that have no container any more.
func (p *Provisioner) pruneVolumes() {
	for {
		_, err := p.engine.VolumesPrune(p.life, filters.NewArgs(p.ours(), filters.Arg("all", "true")))
		if errdefs.IsInvalidArgument(err) { // an older engine prunes all of them anyway
			_, err = p.engine.VolumesPrune(p.life, filters.NewArgs(p.ours()))
		}
		if err != nil && p.life.Err() == nil {
			p.options.Logger.Warn("volumes of workers that are gone could not be removed", slog.Any("error", err))
		}
		if sleep(p.life, volumesEvery) != nil {
			return
		}
	}
}
