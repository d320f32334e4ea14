package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "multinode",
		Short: "Run Python functions as asynchronous tasks",
		Long: `Multinode runs Python functions as asynchronous tasks, each on compute of its own.

Start a server with ` + "`multinode up`" + `, log in with ` + "`multinode login`" + `, then deploy a
folder that holds a main.py. To see it work first, run ` + "`multinode demo`" + `.`,
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w. Run `%s --help` for the flags", err, cmd.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: groupServer, Title: "Server:"},
		&cobra.Group{ID: groupDeploy, Title: "Projects:"},
		&cobra.Group{ID: groupInvoke, Title: "Invocations:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add(groupServer, a.upCommand(), a.gatewayCommand(), a.dispatcherCommand(), a.natsConfigCommand(), a.credentialsCommand(), a.demoCommand(), a.loginCommand(), a.logoutCommand(), a.keysCommand())
	add(groupDeploy, a.deployCommand(), a.upgradeCommand(), a.undeployCommand(), a.listCommand(), a.describeCommand())
	add(groupInvoke, a.invokeCommand(), a.logsCommand(), a.cancelCommand())
	add("", a.versionCommand(), a.runnerCommand(), a.buildImageCommand())
	strictCompletion(root)
	return root
}

// strictCompletion makes wrong use of cobra's own command end like that of ours.
func strictCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		var shells []string
		for _, shell := range cmd.Commands() {
			shell.Args = arguments()
			shells = append(shells, shell.Name())
		}
		cmd.Args = nil
		cmd.RunE = func(*cobra.Command, []string) error {
			return usage("name a shell: one of %s, as in `multinode completion bash`", strings.Join(shells, ", "))
		}
	}
}

// The groups of commands in the help.
const (
	groupServer = "server"
	groupDeploy = "deploy"
	groupInvoke = "invoke"
)

func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "Run `multinode --help` for the commands"
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = fmt.Sprintf("Did you mean `multinode %s`?", similar[0])
	}
	return usage("there is no command %q. %s", args[0], hint)
}

// arguments wants exactly these positional arguments.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage("%s is missing. Run `%s --help` for an example", names[len(args)], cmd.CommandPath())
		case len(args) > len(names):
			return usage("%q is one argument too many. Run `%s --help` for an example", args[len(names)], cmd.CommandPath())
		}
		return nil
	}
}

// require marks flags as mandatory. An empty value is a missing one.
func require(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // no such flag: a mistake in the command's definition
		}
	}
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		var missing []string
		for _, name := range names {
			if cmd.Flag(name).Value.String() == "" {
				missing = append(missing, "--"+name)
			}
		}
		if last := len(missing) - 1; last == 0 {
			return usage("%s is missing. Run `%s --help` for an example", missing[0], cmd.CommandPath())
		} else if last > 0 {
			list := strings.Join(missing[:last], ", ") + " and " + missing[last]
			return usage("%s are missing. Run `%s --help` for an example", list, cmd.CommandPath())
		}
		if before != nil {
			return before(cmd, args)
		}
		return nil
	}
}
