package main

import (
	"context"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/cmd/multinode/internal/show"
)

func (a *app) cancelCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:     "cancel",
		Short:   "Ask an invocation to end, with all that it started",
		Long:    "Asks an invocation to end, with all that it started. Its code gets\nInvocationCancelledError and up to two minutes to clean up.",
		Example: "  multinode cancel --project-name=my_project --function-name=f --invocation-id=inv-…",
		Args:    arguments(),
	}
	t.projectFlag(a, cmd)
	t.functionFlags(a, cmd)
	t.invocationFlag(a, cmd)
	a.jsonFlag(cmd)
	require(cmd, "project-name", "function-name", "invocation-id")
	cmd.RunE = a.action(&t, func(ctx context.Context, c *client.Client) error {
		info, err := c.Cancel(ctx, t.invocationRef())
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(info)
		}
		a.screen.Printf("%s %s\n", info.InvocationID, show.Progress(info))
		if !info.Status.Terminal() {
			a.screen.Note("To see it end: " + a.screen.Notes().Cyan(t.command("logs", ofInvocation...)+" -f"))
		}
		return nil
	})
	return cmd
}
