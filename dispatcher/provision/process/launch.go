package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"multinode"
	"multinode/dispatcher/provision"
)

// Launch implements provision.Provisioner. The package documentation explains its
// steps.
func (p *Provisioner) Launch(ctx context.Context, intent provision.Intent) (multinode.Worker, error) {
	if err := p.check(intent); err != nil {
		return multinode.Worker{}, fmt.Errorf("launching a worker: %w", permanent(err))
	}
	if err := p.launch(ctx, intent); err != nil {
		return multinode.Worker{}, fmt.Errorf("launching a worker: %w", failure(err))
	}
	return handle(intent.ExecutionID), nil
}

func (p *Provisioner) launch(ctx context.Context, intent provision.Intent) error {
	id := intent.ExecutionID
	release, err := p.turns.take(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	f := p.folder(id)
	if f.started() {
		return p.again(f)
	}
	slot, err := p.reserve()
	if err != nil {
		return err
	}
	defer p.free(slot)
	lock, err := f.claim(ctx, true)
	if err != nil {
		return err
	}
	if lock == nil {
		return p.again(f)
	}
	defer func() { _ = lock.Close() }()
	p.at("claimed")
	if err := p.start(ctx, f, lock, intent); err != nil {
		return errors.Join(err, f.remove())
	}
	if _, err := p.adopt(f, slot); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// again answers for a worker that was started before, here or elsewhere.
func (p *Provisioner) again(f folder) error {
	w, err := p.adopt(f, &slot{})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the worker %s was stopped while it was launched again", f.id())
	}
	if err != nil {
		return err
	}
	p.notifyAgain(w)
	return nil
}

// check refuses what can never work, before anything is made.
func (p *Provisioner) check(intent provision.Intent) error {
	errs := []error{intent.Validate()}
	for _, program := range []string{shell, p.options.Command[0]} {
		if !executable(program) {
			errs = append(errs, fmt.Errorf("the program %q, which runs workers, does not exist or is not executable", program))
		}
	}
	if python := intent.Code.Python; !executable(python) {
		errs = append(errs, fmt.Errorf("the version's Python interpreter %q does not exist or is not executable; deploy the project again", python))
	}
	if info, err := os.Stat(intent.Code.ProjectDir); err != nil || !info.IsDir() {
		errs = append(errs, fmt.Errorf("the version's folder %q does not exist; deploy the project again", intent.Code.ProjectDir))
	}
	return errors.Join(errs...)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}
