package main

import (
	"context"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/cmd/multinode/internal/show"
)

func (a *app) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the deployed projects, newest first",
		Args:  arguments(),
		RunE: a.action(&target{}, func(ctx context.Context, c *client.Client) error {
			list, err := c.Projects(ctx)
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(list)
			case len(list.Projects) == 0:
				a.screen.Note("Nothing is deployed. Run `multinode deploy DIR --project-name=NAME`.")
			default:
				a.screen.Printf("%s", show.Projects(list.Projects, a.screen.Style))
			}
			return nil
		}),
	}
	a.jsonFlag(cmd)
	return cmd
}
