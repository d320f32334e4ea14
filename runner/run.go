package runner

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jonboulle/clockwork"

	"multinode"
	"multinode/internal/failpoint"
)

// ErrLeft means that the worker was told to leave, or that nobody wanted it: it
// has ended without an outcome.
var ErrLeft = errors.New("the worker was told to leave")

// Run runs one execution and returns nil once its outcome is stored, by this
// worker or by somebody who was first. It returns ErrLeft where the worker was
// told to leave, and another error where it could not get an assignment or could
// not store the outcome. However it ends, the user's process group has ended too.
//
// When ctx ends, the user's code is interrupted as by a cancellation, and Run
// returns within Limits.Stop.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.Clock == nil {
		o.Clock = clockwork.NewRealClock()
	}
	child, startErr := startChild(o)
	if startErr == nil {
		defer func() {
			child.killAll()
			<-child.exited
			child.close()
		}()
		if err := child.writeGroup(o.WorkerDir); err != nil {
			return err
		}
	}

	failpoint.Hit("runner.python_started")
	link, assignment, err := announce(ctx, o)
	if link != nil {
		defer link.Close()
	}
	if err != nil {
		return err
	}

	failpoint.Hit("runner.assigned")
	// What is stored goes on after ctx has ended, for a while.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	defer background.Wait()
	defer end()
	s := newSession(o, child, link, assignment)
	for _, run := range []func(context.Context){s.book.run, s.yields.run, s.beater.run} {
		background.Go(func() { run(life) })
	}
	if startErr != nil {
		o.Logger.Error("the user's Python cannot be started", "error", startErr)
		s.end.fault = startErr.Error()
	} else if err := s.supervise(ctx); err != nil {
		return err
	}
	return s.settle(ctx, life)
}

// announce connects and asks for the assignment. The link is to be closed by the
// caller also where there is an error.
func announce(ctx context.Context, o Options) (Link, multinode.Assignment, error) {
	ctx, cancel := context.WithTimeout(ctx, o.Limits.Hello)
	defer cancel()
	link, err := o.Dial(ctx)
	if err != nil {
		return nil, multinode.Assignment{}, fmt.Errorf("runner: connect: %w", err)
	}
	assignment, err := link.Hello(ctx)
	if err != nil {
		return link, multinode.Assignment{}, fmt.Errorf("runner: ask for the assignment: %w", err)
	}
	return link, assignment, nil
}

// settle stores what is left to store, and last the outcome.
func (s *session) settle(ctx, life context.Context) error {
	s.beater.finish()
	store, abandon := context.WithTimeout(life, s.patience())
	defer abandon()
	result := make(chan error, 1)
	go func() { result <- s.store(store) }()

	stopped := ctx.Done()
	for {
		select {
		case err := <-result:
			return err
		case <-stopped:
			stopped = nil
			timer := time.AfterFunc(s.o.Limits.Stop/2, abandon)
			defer timer.Stop()
		case d := <-s.link.Desires():
			s.left = s.left || d == multinode.Leave
		case d := <-s.beater.desires:
			s.left = s.left || d == multinode.Leave
		}
		if s.left {
			abandon()
			s.log.Info("told to leave before the outcome was stored", "error", <-result)
			return ErrLeft
		}
	}
}

// patience is how long storing the outcome may take. Once the lease has run out,
// the execution will be called lost soon, and the answer is worth little.
func (s *session) patience() time.Duration {
	if s.end.killed == killedLease {
		return s.o.Limits.Lease / 2
	}
	return s.o.Limits.Outcome
}

// store waits for the last lines and the last yield to be stored, then stores the
// outcome.
func (s *session) store(ctx context.Context) error {
	s.flush(ctx)
	failpoint.Hit("runner.flushed")
	outcome := s.end.outcome()
	stored, err := s.link.PutOutcome(ctx, outcome)
	if err != nil {
		return fmt.Errorf("runner: store the outcome %s: %w", outcome.Kind, err)
	}
	failpoint.Hit("runner.outcome_put")
	if stored {
		s.log.Info("the outcome is stored", "outcome", outcome.Kind)
	} else {
		s.log.Info("another outcome was stored first", "outcome", outcome.Kind)
	}
	return nil
}

func (s *session) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Limits.Flush)
	defer cancel()
	readers := make(chan struct{})
	go func() {
		s.readers.Wait()
		s.book.close()
		close(readers)
	}()
	s.yields.close()
	for _, done := range []<-chan struct{}{readers, s.book.done, s.yields.done} {
		select {
		case <-done:
		case <-ctx.Done():
			s.log.Warn("the last output could not be stored in time", "error", ctx.Err())
			return
		}
	}
}
