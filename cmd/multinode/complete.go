package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"multinode/client"
)

// completionTimeout bounds how long a shell waits for proposals.
const completionTimeout = 2 * time.Second

// complete proposes values of a flag from what is on the server; where the server
// cannot be asked, it proposes nothing.
func (a *app) complete(cmd *cobra.Command, flag string, t *target, values func(context.Context, *client.Client, *target) []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		c, err := a.connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
		defer cancel()
		return values(ctx, c, t), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // no such flag: a mistake in the command's definition
	}
}

func (a *app) projectNames(ctx context.Context, c *client.Client, _ *target) []string {
	list, _ := c.Projects(ctx)
	names := make([]string, len(list.Projects))
	for i, p := range list.Projects {
		names[i] = p.ProjectName
	}
	return names
}

func (a *app) versionIDs(ctx context.Context, c *client.Client, t *target) []string {
	list, _ := c.Versions(ctx, t.project)
	ids := make([]string, len(list.Versions))
	for i, v := range list.Versions {
		ids[i] = v.VersionID
	}
	return ids
}

func (a *app) functionNames(ctx context.Context, c *client.Client, t *target) []string {
	version, _ := c.Version(ctx, t.project, t.version)
	names := make([]string, len(version.Functions))
	for i, f := range version.Functions {
		names[i] = f.FunctionName
	}
	return names
}

func (a *app) invocationIDs(ctx context.Context, c *client.Client, t *target) []string {
	list, _ := c.Invocations(ctx, t.functionRef(), client.ListOptions{})
	ids := make([]string, len(list.Invocations))
	for i, v := range list.Invocations {
		ids[i] = v.InvocationID + "\t" + string(v.Status)
	}
	return ids
}
