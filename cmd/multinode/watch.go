package main

import (
	"context"
	"errors"

	"multinode/client"
	"multinode/cmd/multinode/internal/show"
	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

// watch shows an invocation while it runs.
type watch struct {
	*app
	c    *client.Client
	t    *target
	task *term.Task
}

// untilFinished shows what the invocation does until it has finished. The first
// interrupt asks it to end, the second leaves.
func (w *watch) untilFinished(ctx context.Context, info wire.InvocationInfo) (wire.InvocationInfo, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	w.task = w.screen.Task(w.t.function + " " + info.InvocationID)
	defer w.task.Drop()

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.obeyInterrupts(ctx, cancel)
	}()
	info, err := w.c.Follow(ctx, w.t.invocationRef(), client.Handlers{Status: w.status, Yield: w.yield, Log: w.log})
	cancel(nil)
	<-ended
	if errors.Is(err, errLeave) {
		return info, leave(w.t)
	}
	return info, err
}

func (w *watch) obeyInterrupts(ctx context.Context, leave context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
		return
	case <-w.interrupts:
	}
	w.screen.Note(w.screen.Notes().Yellow("Asking it to end. Ctrl-C again leaves it to itself."))
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		_, err := w.c.Cancel(ctx, w.t.invocationRef())
		if err != nil && !errors.Is(err, wire.InvocationIsAlreadyTerminated) && ctx.Err() == nil {
			w.screen.Note("It could not be asked to end: " + term.OneLine(w.explain(err, w.t).Error()))
		}
	}()
	select {
	case <-ctx.Done():
	case <-w.interrupts:
		leave(errLeave)
	}
	<-asked
}

func (w *watch) status(info wire.InvocationInfo) { w.task.Say(show.Progress(info)) }

func (w *watch) yield(y wire.YieldEvent) {
	w.screen.Note(w.screen.Notes().Cyan("→ ") + term.OneLine(y.Output))
}

func (w *watch) log(e wire.LogEvent) {
	bar := w.screen.Notes().Dim("│ ")
	for _, l := range e.Lines {
		w.screen.Note(bar + term.Printable(l.Text))
	}
}
