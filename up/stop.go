package up

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// part is a loop of the system.
type part struct {
	name   string
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // read after ended
	// patience is how long its end may take.
	patience time.Duration
}

// run starts a part. One that ends before it is told to ends the system.
func (s *System) run(name string, loop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{name: name, cancel: cancel, ended: make(chan struct{}), patience: shutdownTimeout}
	s.parts = append(s.parts, p)
	go func() {
		defer close(p.ended)
		err := loop(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				p.err = fmt.Errorf("%s: %w", name, err)
			}
			return
		}
		if err == nil {
			err = errors.New("it ended by itself")
		}
		select {
		case s.failed <- fmt.Errorf("%s: %w", name, err):
		default: // another part was first
		}
	}()
}

// onEnd notes what is to be let go of at the end, the last one first.
func (s *System) onEnd(name string, closeIt func(context.Context) error) {
	s.closers = append(s.closers, closer{name, closeIt})
}

// Done is closed when the system has ended, by Stop or because a part of it
// failed.
func (s *System) Done() <-chan struct{} { return s.ended }

// Wait waits until the system has ended, and returns why it did so by itself, or
// what went wrong at its end.
func (s *System) Wait() error {
	<-s.ended
	return s.err
}

// Stop ends the system and waits until that is done, or ctx ends. Workers go on by
// themselves: the next system on the data folder finds them again, or they end
// when they have been alone for a minute. It may be called more than once.
func (s *System) Stop(ctx context.Context) error {
	s.once.Do(func() { close(s.stop) })
	select {
	case <-s.ended:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("the system is still stopping: %w", context.Cause(ctx))
	}
}

// shutdown ends the parts in the order in which they need each other, the gateway
// first, and lets go of everything else.
func (s *System) shutdown(failure error) {
	defer close(s.ended)
	errs := []error{failure}
	for _, p := range slices.Backward(s.parts) {
		p.cancel()
		ctx, cancel := context.WithTimeout(context.Background(), p.patience)
		select {
		case <-p.ended:
			errs = append(errs, p.err)
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s did not end within %v", p.name, p.patience))
		}
		cancel()
	}
	for _, c := range slices.Backward(s.closers) {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		if err := c.close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("close the %s: %w", c.name, err))
		}
		cancel()
	}
	s.err = errors.Join(errs...)
}
