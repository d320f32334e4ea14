package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"multinode/cmd/multinode/internal/term"
)

// console is the world around the program.
type console struct {
	in         io.Reader
	out, err   io.Writer
	getenv     func(string) string
	home       string
	interrupts <-chan os.Signal
	// environments is where servers that are started make Python environments;
	// empty means each in its data folder.
	environments string
	// poll is the pause between looks at what cannot be waited for.
	poll time.Duration
}

// app is what all commands share.
type app struct {
	console
	screen *term.Screen
	json   bool // --json of the command that runs
}

// run is the program without the process around it: it returns the exit code.
func run(ctx context.Context, args []string, c console) int {
	a := &app{console: c, screen: term.New(c.out, c.err, c.getenv)}
	root := a.rootCommand()
	root.SetArgs(args)
	return a.report(root.ExecuteContext(ctx))
}

// report says in one line why a command failed, and returns the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitFailure
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
	} else if errors.Is(err, errInterrupted) {
		a.screen.Note("Interrupted.")
		return exitInterrupted
	}
	a.screen.Note(a.screen.Notes().Red("Error:") + " " + term.OneLine(err.Error()))
	return code
}

// printJSON writes data for programs.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// jsonFlag offers --json on a command that prints data.
func (a *app) jsonFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.json, "json", false, "print the data as JSON")
}

// interruptible returns a context that the first interrupt ends.
func (a *app) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-a.interrupts:
			cancel(errInterrupted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended // or it could take an interrupt that is meant for what comes next
	}
}
