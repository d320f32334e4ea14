package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Keep removes what nothing needs any more: the images that are not among these
// digests ("sha256:…"), their tags, and the layers that no image is left for. An
// image that has no layers but those of images that stay, stays too: it is how
// dependencies are found again. What was pushed or asked for within minAge stays
// in any case: it may be part of an image that is being pushed. Requests that
// rely on what is stored wait meanwhile; Keep waits for no upload or download.
func (r *Registry) Keep(digests []string, minAge time.Duration) error {
	r.using.Lock()
	defer r.using.Unlock()
	k := keeper{r: r, before: time.Now().Add(-minAge), images: map[string]*kept{}, blobs: map[string]bool{}}
	err := k.load()
	if err == nil {
		for _, digest := range digests {
			k.keep(digest)
		}
		k.keepOthers()
		err = errors.Join(k.removeImages(), k.removeTags(), k.remove(r.blobs(), k.blobs), k.remove(r.uploads(), nil))
	}
	if err != nil {
		return fmt.Errorf("cleaning the registry of images: %w", err)
	}
	return nil
}

// kept is a manifest, in all repositories that have it.
type kept struct {
	files  []string
	names  references
	young  bool
	needed bool
}

type keeper struct {
	r      *Registry
	before time.Time
	images map[string]*kept // by digest
	tags   []string
	blobs  map[string]bool // digests in hexadecimal that an image is left for
}

func (k *keeper) load() error {
	return filepath.WalkDir(k.r.repositories(), func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		digest := d.Name()
		if strings.HasSuffix(digest, tagSuffix) {
			k.tags = append(k.tags, at)
		}
		if !digestOnly.MatchString(digest) {
			return nil
		}
		m, err := readStored(at)
		if err != nil {
			return err
		}
		image := k.images[digest]
		if image == nil {
			image = &kept{}
			k.images[digest] = image
		}
		young, err := k.young(d)
		image.files, image.young = append(image.files, at), image.young || young
		if err == nil {
			image.names, err = named(m.Content)
		}
		return err
	})
}

func (k *keeper) keep(digest string) {
	image, ok := k.images[digest]
	if !ok || image.needed {
		return
	}
	image.needed = true
	for _, name := range image.names.all() {
		k.blobs[hexOf(name)] = true
		k.keep(name) // of an index
	}
}

func (k *keeper) keepOthers() {
	for digest, image := range k.images {
		if image.young {
			k.keep(digest)
		}
	}
	for digest, image := range k.images {
		shared := len(image.names.Layers) > 0
		for _, layer := range image.names.Layers {
			shared = shared && k.blobs[hexOf(layer.Digest)]
		}
		if shared {
			k.keep(digest)
		}
	}
}

func (k *keeper) removeImages() error {
	for _, image := range k.images {
		for _, file := range image.files {
			if image.needed {
				continue
			}
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *keeper) removeTags() error {
	for _, tag := range k.tags {
		digest, err := os.ReadFile(tag)
		if err == nil && !k.images[string(digest)].isNeeded() {
			err = os.Remove(tag)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *kept) isNeeded() bool { return i != nil && i.needed }

func (k *keeper) remove(folder string, needed map[string]bool) error {
	children, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, child := range children {
		young, err := k.young(child)
		if err == nil && !young && !needed[child.Name()] {
			err = os.Remove(filepath.Join(folder, child.Name()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) young(d fs.DirEntry) (bool, error) {
	info, err := d.Info()
	return err == nil && !info.ModTime().Before(k.before), err
}
