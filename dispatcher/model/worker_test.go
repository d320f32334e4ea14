package model_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"multinode"
	"multinode/dispatcher/provision"
	"multinode/streams"
)

// worker is one worker of the fleet. alive belongs to the fleet's lock.
type worker struct {
	fleet  *fleet
	intent provision.Intent
	does   behaviour
	script *script
	kill   context.CancelFunc
	alive  bool
	done   chan struct{}
	// processes were given the input.
	processes atomic.Int32
	// beats were answered.
	beats atomic.Int64
	// excused says that its end came from nobody who had stored it.
	excused atomic.Bool
}

// output is the result that only this execution gives.
func output(execution string) string { return `"` + execution + `"` }

func (w *worker) run(ctx context.Context) {
	defer w.fleet.ended(w)
	if w.does == stillborn {
		w.vanish(multinode.OutcomeLost)
		return
	}
	link, err := w.dial(ctx)
	if err != nil {
		return
	}
	defer link.Close()
	assignment, err := link.Hello(ctx)
	if err != nil {
		return // told to leave, or killed
	}
	w.admitted()
	if string(assignment.Input) != w.script.input {
		w.fleet.violation("%s was given the input %s", w.intent.ExecutionKey, assignment.Input)
	}
	if w.yield(ctx, link) != nil {
		return
	}
	w.work(ctx, link)
	if ctx.Err() != nil {
		w.tooLate(link)
	}
}

func (w *worker) dial(ctx context.Context) (*streams.WorkerLink, error) {
	credentials := filepath.Join(w.fleet.folder, multinode.NewID("creds"))
	if err := os.WriteFile(credentials, w.intent.Credentials, 0o600); err != nil {
		return nil, err
	}
	return streams.DialWorker(ctx, streams.WorkerOptions{
		URL: w.intent.Environment["MULTINODE_NATS_URL"], Credentials: credentials,
		Execution: w.intent.ExecutionID, Key: w.intent.ExecutionKey, Logger: slog.New(slog.DiscardHandler),
	})
}

// yields is how many each worker puts: the last one counts.
const yields = 2

// yield notes what it puts before and after it is stored: killed in between, it does
// not know.
func (w *worker) yield(ctx context.Context, link *streams.WorkerLink) error {
	for n := range yields {
		text := fmt.Sprintf(`"%s yields %d"`, w.intent.ExecutionID, n)
		w.fleet.yields(w.intent.ExecutionID, func(y *yielded) { y.tried = text })
		if err := link.PutYield(ctx, []byte(text)); err != nil {
			return err
		}
		w.fleet.yields(w.intent.ExecutionID, func(y *yielded) { y.stored = text })
	}
	return nil
}

// admitted notes that a process was given the input.
func (w *worker) admitted() {
	if w.processes.Add(1) > 1 {
		w.fleet.violation("two workers were given the input of %s", w.intent.ExecutionKey)
	}
}

// vanish notes that there will be no outcome.
func (w *worker) vanish(how multinode.OutcomeKind) {
	w.fleet.mu.Lock()
	defer w.fleet.mu.Unlock()
	w.fleet.gone[w.intent.ExecutionID] = how
}

func (w *worker) work(ctx context.Context, link *streams.WorkerLink) {
	switch w.does {
	case fails:
		w.put(ctx, link, multinode.OutcomeFailed)
	case timesOut:
		w.put(ctx, link, multinode.OutcomeTimedOut)
	case vanishes:
		w.vanish(multinode.OutcomeLost)
	case starves:
		w.vanish(multinode.OutcomeOutOfMemory)
	case repeats:
		w.put(ctx, link, multinode.OutcomeSucceeded)
		if w.put(ctx, link, multinode.OutcomeFailed) {
			w.fleet.violation("a second outcome of %s was stored", w.intent.ExecutionKey)
		}
	case silent, stubborn:
		if w.fleet.clocked {
			w.defy(ctx, link)
			return
		}
		fallthrough
	case holds, persists, overruns:
		switch w.hold(ctx, link) {
		case multinode.Cancel:
			w.put(ctx, link, w.interrupted(multinode.OutcomeCancelled))
		case multinode.TimeOut:
			w.put(ctx, link, w.interrupted(multinode.OutcomeTimedOut))
		case multinode.Run:
			w.put(ctx, link, multinode.OutcomeSucceeded)
		}
	default:
		w.put(ctx, link, multinode.OutcomeSucceeded)
	}
}

func (w *worker) interrupted(usual multinode.OutcomeKind) multinode.OutcomeKind {
	if w.does == persists {
		return multinode.OutcomeSucceeded
	}
	return usual
}

// hold goes on until something else is wanted, or it is released: then it
// returns Run.
func (w *worker) hold(ctx context.Context, link *streams.WorkerLink) multinode.Desired {
	beat := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	for {
		select {
		case <-w.script.released:
			return multinode.Run
		case d := <-link.Desires():
			if d != multinode.Run {
				return d
			}
		case <-beat.C:
			if d, err := w.beat(ctx, link); err == nil && d != multinode.Run {
				return d
			}
		case <-ctx.Done():
			return multinode.Leave
		}
	}
}

func (w *worker) beat(ctx context.Context, link *streams.WorkerLink) (multinode.Desired, error) {
	b := multinode.Beat{Phase: multinode.PhaseRunning}
	if w.does == overruns && w.fleet.clocked {
		b.Elapsed = 2 * functionTimeout
	}
	d, err := link.Beat(ctx, b)
	if err == nil {
		w.beats.Add(1)
	}
	return d, err
}

// defy goes on until it is killed. One that beats ends when it is told to leave,
// as the runner does that keeps it.
func (w *worker) defy(ctx context.Context, link *streams.WorkerLink) {
	if w.does == silent {
		w.vanish(multinode.OutcomeLost)
		<-ctx.Done()
		return
	}
	for ctx.Err() == nil {
		select {
		case <-w.script.released:
			w.put(ctx, link, multinode.OutcomeSucceeded)
			return
		case <-time.After(100 * time.Millisecond):
			_, _ = w.beat(ctx, link)
		case <-ctx.Done():
		}
	}
}

// put stores an outcome and tells whether it is the one that counts.
func (w *worker) put(ctx context.Context, link *streams.WorkerLink, kind multinode.OutcomeKind) bool {
	won, err := link.PutOutcome(ctx, multinode.Outcome{Kind: kind, Output: []byte(output(w.intent.ExecutionID))})
	return err == nil && won
}

// tooLate tries to give a result after all. Whoever stops a worker has stored how
// its execution ended before: nothing may come of it.
func (w *worker) tooLate(link *streams.WorkerLink) {
	w.fleet.mu.Lock()
	excused := w.excused.Load() || w.script.swept
	w.fleet.mu.Unlock()
	if excused {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if w.put(ctx, link, multinode.OutcomeSucceeded) {
		w.fleet.violation("%s was stopped before its end was stored", w.intent.ExecutionKey)
	}
}

// impose lets a second worker with the same credentials claim the execution.
func (w *worker) impose(ctx context.Context) {
	link, err := w.dial(ctx)
	if err != nil {
		return
	}
	defer link.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := link.Hello(ctx); err == nil {
		w.admitted()
		// It came first: then the other one has to leave, and this one is gone.
		w.excused.Store(true)
		w.vanish(multinode.OutcomeLost)
		w.kill()
	} else if !errors.Is(err, streams.ErrLeave) && ctx.Err() == nil {
		w.fleet.violation("a second worker got the answer %v", err)
	}
}
