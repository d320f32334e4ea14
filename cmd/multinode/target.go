package main

import (
	"strings"

	"github.com/spf13/cobra"

	"multinode/client"
)

// target is what a command is about, as named by its flags.
type target struct {
	dir                                               string // the project folder, where there is one
	project, version, function, invocation, execution string
}

func (t *target) projectFlag(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.project, "project-name", "", "name of the project")
	a.complete(cmd, "project-name", t, a.projectNames)
}

func (t *target) functionFlags(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.version, "version-id", "", "ID of the version (default: the latest)")
	cmd.Flags().StringVar(&t.function, "function-name", "", "name of the function")
	a.complete(cmd, "version-id", t, a.versionIDs)
	a.complete(cmd, "function-name", t, a.functionNames)
}

func (t *target) invocationFlag(a *app, cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.invocation, "invocation-id", "", "ID of the invocation")
	a.complete(cmd, "invocation-id", t, a.invocationIDs)
}

func (t *target) functionRef() client.Function {
	return client.Function{Project: t.project, Version: t.version, Name: t.function}
}

func (t *target) invocationRef() client.Invocation {
	return t.functionRef().Invocation(t.invocation)
}

// command spells a command about the target, to be copied into a shell. What
// names the flags to give.
func (t *target) command(name string, what ...string) string {
	words := []string{"multinode", name}
	values := map[string]string{
		"project-name": t.project, "version-id": t.version, "function-name": t.function,
		"invocation-id": t.invocation, "execution-id": t.execution,
	}
	for _, flag := range what {
		if values[flag] != "" {
			words = append(words, "--"+flag+"="+shellWord(values[flag]))
		}
	}
	return strings.Join(words, " ")
}

// Sets of flags for command.
var (
	ofProject    = []string{"project-name"}
	ofFunction   = []string{"project-name", "version-id", "function-name"}
	ofInvocation = []string{"project-name", "version-id", "function-name", "invocation-id"}
)

// shellWord quotes a word where a shell would take it apart.
func shellWord(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=@%+,", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
