package container

import (
	"context"
	"errors"
	"strings"

	"multinode"
	"multinode/streams"
)

// Keep removes images that no version needs, here and, where the repository is this
// installation's own, there. It returns false where it is
// to be called again: while a build runs it does nothing, and copies may be in use.
func (w *Workshop) Keep(ctx context.Context) (done bool, err error) {
	if !w.using.TryLock() {
		return false, nil
	}
	defer w.using.Unlock()
	// What is new first: it may get into its version meanwhile.
	fresh, err := w.freshDigests(ctx)
	if err != nil {
		return false, err
	}
	references := w.options.Store.ImagesInUse()
	for _, digest := range fresh {
		references = append(references, w.options.Repository+"@"+digest)
	}
	var errs []error
	done = true
	if w.options.RetainHere != nil {
		done, err = w.options.RetainHere(ctx, w.options.Repository, references)
		errs = append(errs, err)
	}
	if w.options.Retain != nil {
		digests := make([]string, 0, len(references))
		for _, reference := range references {
			_, digest, _ := strings.Cut(reference, "@")
			digests = append(digests, digest)
		}
		digests = append(digests, w.laidDigests()...)
		errs = append(errs, w.options.Retain(digests))
	}
	return done, errors.Join(errs...)
}

// freshDigests returns what was built here for versions that are still to name it: those
// that are claimed. One that has images may have them of another repository, and be
// prepared once more for this one.
func (w *Workshop) freshDigests(ctx context.Context) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var digests []string
	for k, built := range w.fresh {
		v, err := w.options.Store.Version(ctx, multinode.Project{Name: k.Project, Generation: k.Generation}, k.Version)
		if errors.Is(err, streams.ErrNotFound) || err == nil && v.Claim == nil {
			delete(w.fresh, k)
			continue
		}
		if err != nil {
			return nil, err
		}
		digests = append(digests, built...)
	}
	return digests, nil
}

// laidDigests returns the bases that this process has used, and the builders on them:
// the next build would fetch them again.
func (w *Workshop) laidDigests() []string {
	w.bases.mu.Lock()
	defer w.bases.mu.Unlock()
	var digests []string
	for _, f := range w.bases.laid {
		for _, reference := range []string{f.base.Reference, f.runner} {
			_, digest, _ := strings.Cut(reference, "@")
			digests = append(digests, digest)
		}
	}
	return digests
}

// Has tells whether an image is in the repository. Those of versions that were made
// for another are made anew here.
func (w *Workshop) Has(image string) bool { return strings.HasPrefix(image, w.options.Repository+"@") }
