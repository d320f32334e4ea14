package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/wire"
)

func (a *app) undeployCommand() *cobra.Command {
	var t target
	var noWait bool
	cmd := &cobra.Command{
		Use:     "undeploy",
		Short:   "Cancel a project's invocations and remove it",
		Long:    "Cancels a project's invocations, which have up to two minutes to end, and removes\nit with all its versions. Waits until it is gone.",
		Example: "  multinode undeploy --project-name=my_project",
		Args:    arguments(),
	}
	t.projectFlag(a, cmd)
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return at once")
	a.jsonFlag(cmd)
	require(cmd, "project-name")
	cmd.RunE = a.action(&t, func(ctx context.Context, c *client.Client) error {
		info, err := c.DeleteProject(ctx, t.project)
		if err != nil {
			return err
		}
		if noWait {
			a.screen.Note(fmt.Sprintf("Project %q is being undeployed. `multinode list` shows when it is gone.", t.project))
		} else if err := a.awaitGone(ctx, c, info); err != nil {
			if errors.Is(err, errInterrupted) {
				return interrupted("the server goes on undeploying %q. Run `multinode list` to see", t.project)
			}
			return err
		}
		if a.json {
			return a.printJSON(info)
		}
		return nil
	})
	return cmd
}

// awaitGone waits until the project is gone, and says so.
func (a *app) awaitGone(ctx context.Context, c *client.Client, p wire.ProjectInfo) error {
	task := a.screen.Task("Undeploying " + p.ProjectName)
	defer task.Drop()
	if err := a.untilGone(ctx, c, p); err != nil {
		return err
	}
	task.Done(fmt.Sprintf("Project %q is gone.", p.ProjectName))
	return nil
}

// untilGone waits until the project is gone, or another one has its name.
func (a *app) untilGone(ctx context.Context, c *client.Client, p wire.ProjectInfo) error {
	tick := time.NewTicker(a.poll)
	defer tick.Stop()
	for {
		now, err := c.Project(ctx, p.ProjectName)
		if errors.Is(err, wire.ProjectDoesNotExist) || err == nil && now.DeletionRequestTime == nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
