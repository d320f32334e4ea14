package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"multinode/client"
	"multinode/cmd/multinode/internal/show"
	"multinode/wire"
)

func (a *app) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the deployed projects, newest first",
		Args:  arguments(),
		RunE: a.action(&target{}, func(ctx context.Context, c *client.Client) error {
			projects, err := projectStates(ctx, c)
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(struct {
					Projects []show.ListedProject `json:"projects"`
				}{projects})
			case len(projects) == 0:
				a.screen.Note("Nothing is deployed. Run `multinode deploy DIR --project-name=NAME`.")
			default:
				a.screen.Printf("%s", show.Projects(projects, a.screen.Style))
			}
			return nil
		}),
	}
	a.jsonFlag(cmd)
	return cmd
}

// listAtOnce bounds the calls under way for one list.
const listAtOnce = 8

// projectStates lists the projects, each with what can be done with it.
func projectStates(ctx context.Context, c *client.Client) ([]show.ListedProject, error) {
	list, err := c.Projects(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]show.ListedProject, len(list.Projects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listAtOnce)
	for i, p := range list.Projects {
		found[i] = show.ListedProject{ProjectInfo: p, State: show.BeingUndeployed}
		if p.DeletionRequestTime != nil {
			continue
		}
		group.Go(func() error {
			_, err := c.Version(ctx, p.ProjectName, client.Latest)
			switch {
			case err == nil:
				found[i].State = show.Ready
			case errors.Is(err, wire.VersionDoesNotExist):
				found[i].State = show.NoneReady
			case !errors.Is(err, wire.ProjectDoesNotExist): // else undeployed meanwhile
				return err
			}
			return nil
		})
	}
	return found, group.Wait()
}
