package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/cmd/multinode/internal/show"
	"multinode/wire"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke API keys",
		Long: `Creates, lists and revokes API keys, on all gateways at once and without a restart.
It takes a key with the role admin, such as the one that ` + "`multinode up`" + ` prints.

Each role may do what those after it may:

  admin   manage API keys
  deploy  deploy, upgrade and undeploy projects
  invoke  start and cancel invocations
  read    see projects, invocations, their inputs and results, and logs

A key with --project-name does all this in the project of that name only: it sees
no other one, and with the role admin it manages the keys of that project.`,
		Example: "  multinode keys create --name=ci --role=deploy --project-name=my_project\n  multinode keys list\n  multinode keys revoke key-0123456789abcdef",
		Args:    arguments(),
		RunE: func(*cobra.Command, []string) error {
			return usage("name one of create, list and revoke, as in `multinode keys list`")
		},
	}
	cmd.AddCommand(a.createKeyCommand(), a.listKeysCommand(), a.revokeKeyCommand())
	return cmd
}

func (a *app) createKeyCommand() *cobra.Command {
	var t target
	var name, role string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make an API key, and print it once",
		Long: `Makes an API key and prints it. It is stored as a hash only: nobody can read it
again. Who gets it logs in with it, or sets it as MULTINODE_API_KEY.`,
		Example: "  multinode keys create --name=ci --role=deploy --project-name=my_project --expires=720h",
		Args:    arguments(),
	}
	cmd.Flags().StringVar(&name, "name", "", "what to call the key, such as who it is for")
	cmd.Flags().StringVar(&role, "role", "", "what it may do: admin, deploy, invoke or read")
	cmd.Flags().DurationVar(&expires, "expires", 0, "how long it is good, such as 720h (default: until it is revoked)")
	t.projectFlag(a, cmd)
	cmd.Flag("project-name").Usage = "limit it to the project of this name"
	a.jsonFlag(cmd)
	require(cmd, "name", "role")
	complete := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return roleNames(), cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc("role", complete); err != nil {
		panic(err) // no such flag: a mistake above
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(roleNames(), role) {
			return usage("there is no role %q. Choose one of %s with --role", role, strings.Join(roleNames(), ", "))
		}
		if cmd.Flags().Changed("expires") && expires < time.Second {
			return usage("--expires is %v, and must be at least 1s", expires)
		}
		return a.action(&t, func(ctx context.Context, c *client.Client) error {
			return a.createKey(ctx, c, keyDefinition(name, role, t.project, expires))
		})(cmd, args)
	}
	return cmd
}

func roleNames() []string {
	var names []string
	for _, r := range wire.Role("").Enum() {
		names = append(names, fmt.Sprint(r))
	}
	return names
}

func keyDefinition(name, role, project string, expires time.Duration) wire.APIKeyDefinition {
	d := wire.APIKeyDefinition{Name: name, Role: wire.Role(role)}
	if project != "" {
		d.ProjectName = &project
	}
	if expires > 0 {
		at := time.Now().Add(expires).Unix()
		d.ExpirationTime = &at
	}
	return d
}

func (a *app) createKey(ctx context.Context, c *client.Client, d wire.APIKeyDefinition) error {
	made, err := c.CreateKey(ctx, d)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(made)
	}
	a.screen.Printf("%s\n", made.Key)
	a.screen.Note("This is shown once: keep it safe. `multinode keys revoke " + made.KeyID + "` ends it.")
	return nil
}

func (a *app) listKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the API keys, newest first",
		Long:  "Lists the API keys, newest first, with what each may do. The keys themselves are\nnot stored, and not shown.",
		Args:  arguments(),
		RunE: a.action(&target{}, func(ctx context.Context, c *client.Client) error {
			list, err := c.Keys(ctx)
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(list)
			}
			a.screen.Printf("%s", show.Keys(list.APIKeys, time.Now(), a.screen.Style))
			return nil
		}),
	}
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) revokeKeyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke KEY_ID",
		Short:   "End an API key",
		Long:    "Ends an API key, on all gateways: nothing opens with it any more, and streams that\nwere opened with it end. `multinode keys list` shows the IDs.",
		Example: "  multinode keys revoke key-0123456789abcdef",
		Args:    arguments("KEY_ID"),
	}
	a.jsonFlag(cmd)
	cmd.ValidArgsFunction = a.keyIDs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.action(&target{}, func(ctx context.Context, c *client.Client) error {
			return a.revokeKey(ctx, c, args[0])
		})(cmd, args)
	}
	return cmd
}

func (a *app) revokeKey(ctx context.Context, c *client.Client, id string) error {
	info, err := c.RevokeKey(ctx, id)
	var refused *client.Error
	switch {
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return fmt.Errorf("there is no API key with the ID %q. Run `multinode keys list` to see those that are", id)
	case errors.As(err, &refused) && refused.Status == http.StatusConflict:
		return errors.New(refused.Detail)
	case err != nil:
		return err
	case a.json:
		return a.printJSON(info)
	}
	a.screen.Note(a.screen.Notes().Green("✓") + fmt.Sprintf(" The API key %s (%s) is revoked.", info.KeyID, info.Name))
	return nil
}

// keyIDs proposes the keys that can be revoked.
func (a *app) keyIDs(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := a.connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	list, _ := c.Keys(ctx)
	var ids []string
	for _, k := range list.APIKeys {
		if !k.IsServersOwn {
			ids = append(ids, k.KeyID+"\t"+k.Name)
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
