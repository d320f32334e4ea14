package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/wire"
)

func (a *app) invokeCommand() *cobra.Command {
	var t target
	var args, kwargs, input string
	var detach bool
	cmd := &cobra.Command{
		Use:   "invoke",
		Short: "Run a function, show its output, print its result",
		Long: fmt.Sprintf(`Runs a function. Its log and what it yields go to stderr while it runs, the value
of one that succeeds to stdout as JSON. The first Ctrl-C asks it to end, the second
leaves it to itself.

--args and --kwargs take JSON, or @FILE for the JSON in a file, or - for that on
stdin (one of the two only).

Exit code: 0 it succeeded, %d it failed, %d wrong use, %d it was cancelled, %d it timed out,
%d an interrupt ended the command before the invocation had finished.`,
			exitFailure, exitUsage, exitCancelled, exitTimedOut, exitInterrupted),
		Example: `  multinode invoke --project-name=my_project --function-name=f --args '[1, 2]' --kwargs '{"x": 3}'
  multinode invoke --project-name=my_project --function-name=f --args '[1]' --detach
  multinode invoke --project-name=my_project --function-name=f --args @args.json
  produce | multinode invoke --project-name=my_project --function-name=f --kwargs -`,
		Args: arguments(),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			err := a.readArguments(cmd.Context(), &args, &kwargs)
			if err == nil {
				input, err = functionInput(args, kwargs)
			}
			return err
		},
	}
	t.projectFlag(a, cmd)
	t.functionFlags(a, cmd)
	cmd.Flags().StringVar(&args, "args", "[]", "positional arguments, a JSON array, @FILE or - (stdin)")
	cmd.Flags().StringVar(&kwargs, "kwargs", "{}", "keyword arguments, a JSON object, @FILE or - (stdin)")
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "print the invocation's ID and return at once")
	a.jsonFlag(cmd)
	require(cmd, "project-name", "function-name")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		return a.explain(a.invoke(cmd.Context(), c, &t, input, detach), &t)
	}
	return cmd
}

func (a *app) invoke(ctx context.Context, c *client.Client, t *target, input string, detach bool) error {
	starting, stop := a.interruptible(ctx)
	info, err := c.Start(starting, t.functionRef(), wire.InvocationDefinition{Input: input}, "")
	stop()
	if err != nil {
		return err
	}
	// From here on it is that version's, whatever is deployed meanwhile.
	t.version, t.invocation = info.VersionID, info.InvocationID
	if detach {
		if a.json {
			return a.printJSON(info)
		}
		a.screen.Printf("%s\n", info.InvocationID)
		return nil
	}
	w := &watch{app: a, c: c, t: t}
	if info, err = w.untilFinished(ctx, info); err != nil {
		return err
	}
	return a.outcome(info, t)
}

// outcome prints an invocation's result, and makes its failure the command's.
func (a *app) outcome(info wire.InvocationInfo, t *target) error {
	if a.json {
		if err := a.printJSON(info); err != nil {
			return err
		}
	} else if info.Output != nil && info.Status == wire.StatusSucceeded {
		a.screen.Printf("%s\n", *info.Output)
	}
	var code int
	var end string
	switch info.Status {
	case wire.StatusSucceeded:
		return nil
	case wire.StatusCancelled:
		code, end = exitCancelled, "was cancelled"
	case wire.StatusTimedOut:
		code, end = exitTimedOut, "timed out"
	default:
		code, end = exitFailure, "failed"
	}
	if info.ErrorMessage != nil && *info.ErrorMessage != "" {
		end += ": " + *info.ErrorMessage
	}
	return &exitError{code, fmt.Errorf("%s %s Run `%s` for its executions", info.InvocationID, sentence(end), t.command("describe", ofInvocation...))}
}

// leave says how to find an invocation again that goes on by itself.
func leave(t *target) error {
	return &exitError{exitInterrupted, fmt.Errorf("left %s to itself. Run `%s` to see how it ends", t.invocation, t.command("describe", ofInvocation...))}
}

var errLeave = errors.New("left")
