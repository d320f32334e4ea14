package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/internal/failpoint"
)

// Stop implements provision.Provisioner. The runner alone gets SIGTERM: it knows
// how to end the user's code.
func (p *Provisioner) Stop(ctx context.Context, executionID string, _ multinode.Worker, grace time.Duration) error {
	if err := provision.ValidateExecutionID(executionID); err != nil {
		return fmt.Errorf("stopping a worker: %w", permanent(err))
	}
	if err := p.stop(ctx, executionID, grace); err != nil {
		return fmt.Errorf("stopping the worker %s: %w", executionID, failure(err))
	}
	return nil
}

func (p *Provisioner) stop(ctx context.Context, id string, grace time.Duration) error {
	f := p.folder(id)
	w, err := p.removeOrAdopt(ctx, f)
	if w == nil || err != nil {
		return err
	}
	if err := p.end(ctx, w, grace); err != nil {
		return err
	}
	failpoint.Hit("process.ended")
	if w.left != nil {
		if err := w.belonging().sweep(); err != nil {
			return err
		}
	}
	if err := f.removeWorker(ctx, w.process); err != nil {
		return err
	}
	failpoint.Hit("process.removed")
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.workers[id] == w {
		delete(p.workers, id)
	}
	return nil
}

// removeOrAdopt removes what never ran and returns what did.
func (p *Provisioner) removeOrAdopt(ctx context.Context, f folder) (*worker, error) {
	release, err := p.turns.take(ctx, f.id())
	if err != nil {
		return nil, err
	}
	defer release()
	lock, err := f.claim(ctx, false)
	if err != nil {
		return nil, err
	}
	if lock != nil {
		defer func() { _ = lock.Close() }()
		return nil, f.remove()
	}
	if !f.exists() {
		return nil, nil
	}
	w, err := p.adopt(f, &slot{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return w, err
}

// end returns when the runner has ended and what it left was killed.
func (p *Provisioner) end(ctx context.Context, w *worker, grace time.Duration) error {
	if w.ended() {
		return nil
	}
	if w.process.alive() {
		// The file tells the next dispatcher, should this one not live to see the end.
		// Without it only the explanation is poorer: a full disk is no obstacle.
		w.stopping.Store(true)
		_ = os.WriteFile(w.folder.stoppingFile(), nil, 0o600)
		failpoint.Hit("process.stopping")
		w.remember()
	}
	if grace > 0 {
		if err := w.process.signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("asking the worker to end: %w", err)
		}
		err := p.await(ctx, w, grace)
		if !errors.Is(err, errTimeIsUp) {
			return err
		}
		w.remember()
	}
	// The runner first: it is not to report the end of the user's code as a crash.
	if err := w.process.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing the worker: %w", err)
	}
	err := p.await(ctx, w, 2*sweepFor)
	if errors.Is(err, errTimeIsUp) {
		return fmt.Errorf("process %d %w", w.process.pid, errStays)
	}
	return err
}

var errTimeIsUp = errors.New("time is up")

func (p *Provisioner) await(ctx context.Context, w *worker, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-w.done:
		return nil
	case <-timer.C:
		return errTimeIsUp
	case <-ctx.Done():
		return ctx.Err()
	case <-p.closing:
		return ErrClosed
	}
}
