package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"multinode/client"
	"multinode/cmd/multinode/internal/show"
	"multinode/wire"
)

// describeAtOnce bounds the calls under way for one description.
const describeAtOnce = 8

// describeInvocations is how many of a function's invocations are shown.
const describeInvocations = 10

// describeChildren is how many of an invocation's children are shown.
const describeChildren = 10

func (a *app) describeCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "describe",
		Short: "Show a project, a version, a function or an invocation",
		Example: `  multinode describe --project-name=my_project
  multinode describe --project-name=my_project --function-name=f
  multinode describe --project-name=my_project --function-name=f --invocation-id=inv-…`,
		Args: arguments(),
		PreRunE: func(*cobra.Command, []string) error {
			if t.invocation != "" && t.function == "" {
				return usage("--invocation-id needs --function-name beside it")
			}
			return nil
		},
	}
	t.projectFlag(a, cmd)
	t.functionFlags(a, cmd)
	t.invocationFlag(a, cmd)
	a.jsonFlag(cmd)
	require(cmd, "project-name")
	cmd.RunE = a.action(&t, func(ctx context.Context, c *client.Client) error {
		switch {
		case t.invocation != "":
			return a.describeInvocation(ctx, c, &t)
		case t.function != "":
			return a.describeFunction(ctx, c, &t)
		case t.version != "":
			return a.describeVersion(ctx, c, &t)
		}
		return a.describeProject(ctx, c, &t)
	})
	return cmd
}

func (a *app) describeProject(ctx context.Context, c *client.Client, t *target) error {
	project, err := c.Project(ctx, t.project)
	if err != nil {
		return err
	}
	versions, err := c.Versions(ctx, t.project)
	if err != nil {
		return err
	}
	var latest *wire.VersionInfo // nil where none has become ready
	version, err := c.Version(ctx, t.project, client.Latest)
	if err == nil {
		latest = &version
	} else if !errors.Is(err, wire.VersionDoesNotExist) {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			Project  wire.ProjectInfo      `json:"project"`
			Versions []wire.VersionSummary `json:"versions"`
			Latest   *wire.VersionInfo     `json:"latest"`
		}{project, versions.Versions, latest})
	}
	a.screen.Printf("%s", show.Project(project, versions.Versions, version.VersionID, a.screen.Style))
	if newest := versions.Versions; len(newest) > 0 && newest[0].State == wire.VersionFailed {
		failed := *t
		failed.version = newest[0].VersionID
		a.screen.Printf("  %s\n", a.screen.Style.Dim("`"+failed.command("describe", "project-name", "version-id")+"` shows why the newest failed"))
	}
	if latest == nil {
		return nil
	}
	counts, err := invocationCounts(ctx, c, version)
	if err != nil {
		return err
	}
	a.screen.Printf("\n%s", show.Version(version, counts, a.screen.Style))
	return nil
}

func (a *app) describeVersion(ctx context.Context, c *client.Client, t *target) error {
	version, err := c.Version(ctx, t.project, t.version)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(version)
	}
	counts, err := invocationCounts(ctx, c, version)
	if err != nil {
		return err
	}
	a.screen.Printf("%s", show.Version(version, counts, a.screen.Style))
	return nil
}

// invocationCounts counts the invocations of each function, up to a page.
func invocationCounts(ctx context.Context, c *client.Client, v wire.VersionInfo) (map[string]string, error) {
	found := make([]string, len(v.Functions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(describeAtOnce)
	for i, f := range v.Functions {
		group.Go(func() error {
			ref := client.Function{Project: v.ProjectName, Version: v.VersionID, Name: f.FunctionName}
			page, err := c.Invocations(ctx, ref, client.ListOptions{})
			found[i] = strconv.Itoa(len(page.Invocations))
			if page.NextOffset != nil {
				found[i] += "+"
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	counts := make(map[string]string, len(found))
	for i, f := range v.Functions {
		counts[f.FunctionName] = found[i]
	}
	return counts, nil
}

func (a *app) describeFunction(ctx context.Context, c *client.Client, t *target) error {
	version, err := c.Version(ctx, t.project, t.version)
	if err != nil {
		return err
	}
	var function wire.FunctionInfo
	for _, f := range version.Functions {
		if f.FunctionName == t.function {
			function = f
		}
	}
	if function.FunctionName == "" {
		return wire.FunctionDoesNotExist
	}
	page, err := c.Invocations(ctx, t.functionRef(), client.ListOptions{})
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			Function    wire.FunctionInfo               `json:"function"`
			Invocations wire.InvocationsListForFunction `json:"invocations"`
		}{function, page})
	}
	style := a.screen.Style
	a.screen.Printf("%s  %s\n%s", style.Bold("Function "+t.function), version.VersionID,
		show.Functions([]wire.FunctionInfo{function}, nil, style))
	another := ""
	if t.version == "" {
		another = " " + style.Dim("(--version-id shows those of another)")
	}
	a.screen.Printf("\n%s%s\n", style.Bold("Newest invocations of this version"), another)
	if len(page.Invocations) == 0 {
		a.screen.Printf("  none\n")
		return nil
	}
	newest := page.Invocations[:min(len(page.Invocations), describeInvocations)]
	a.screen.Printf("%s", show.Invocations(newest, style))
	if rest := len(page.Invocations) - len(newest); rest > 0 {
		more := ""
		if page.NextOffset != nil {
			more = " at least"
		}
		a.screen.Printf("  %s\n", style.Dim(fmt.Sprintf("and%s %d older", more, rest)))
	}
	return nil
}

func (a *app) describeInvocation(ctx context.Context, c *client.Client, t *target) error {
	info, err := c.InvocationWithChildren(ctx, t.invocationRef(), describeChildren)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(info)
	}
	a.screen.Printf("%s", show.Invocation(info, a.screen.Style))
	return nil
}
