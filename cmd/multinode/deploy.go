package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"multinode"
	"multinode/bundle"
	"multinode/client"
	"multinode/cmd/multinode/internal/show"
	"multinode/cmd/multinode/internal/term"
	"multinode/wire"
)

const projectFolder = `PROJECT_DIR holds main.py, with exactly one Multinode() object, and may hold a
requirements.txt, an .env file and modules of its own. What .gitignore and
.multinodeignore name stays behind. A file .python-version says which version of Python
its containers get, 3.9 to 3.13; where the server runs processes, they have its own.`

func (a *app) deployCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:     "deploy PROJECT_DIR",
		Short:   "Deploy a folder as a new project",
		Long:    "Deploys a folder as a new project.\n\n" + projectFolder,
		Example: `  multinode deploy tasks/ --project-name=my_project`,
		Args:    arguments("PROJECT_DIR"),
	}
	t.projectFlag(a, cmd)
	a.jsonFlag(cmd)
	require(cmd, "project-name")
	cmd.RunE = a.deployAction(&t, func() wire.DeploymentMode { return wire.DeployCreate })
	return cmd
}

func (a *app) upgradeCommand() *cobra.Command {
	var t target
	var create bool
	cmd := &cobra.Command{
		Use:   "upgrade PROJECT_DIR",
		Short: "Deploy a folder as the next version of a project",
		Long: "Deploys a folder as the next version of a project. Invocations that were started\nbefore it is ready run on the version before.\n\n" +
			projectFolder,
		Example: "  multinode upgrade tasks/ --project-name=my_project\n  multinode upgrade tasks/ --project-name=my_project --deploy",
		Args:    arguments("PROJECT_DIR"),
	}
	t.projectFlag(a, cmd)
	cmd.Flags().BoolVar(&create, "deploy", false, "create the project where it does not exist")
	a.jsonFlag(cmd)
	require(cmd, "project-name")
	cmd.RunE = a.deployAction(&t, func() wire.DeploymentMode {
		if create {
			return wire.DeployEither
		}
		return wire.DeployUpgrade
	})
	return cmd
}

func (a *app) deployAction(t *target, mode func() wire.DeploymentMode) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		t.dir = args[0]
		if err := multinode.ValidateProjectName(t.project); errors.Is(err, multinode.ErrNameTooLong) {
			return usage("%s", a.explainKnown(wire.ProjectNameIsTooLong, t))
		} else if err != nil {
			return usage("%w. Choose another --project-name", err)
		}
		return a.action(t, func(ctx context.Context, c *client.Client) error {
			version, err := a.deploy(ctx, c, t, mode())
			if err != nil {
				return deployFailure(ctx, c, err, mode(), t)
			}
			return a.deployed(version, t)
		})(cmd, args)
	}
}

// deploy brings a folder to the server and waits until it is ready.
func (a *app) deploy(ctx context.Context, c *client.Client, t *target, mode wire.DeploymentMode) (wire.VersionInfo, error) {
	// Looked at first, as packing and preparing take time; the server decides.
	if err := allowed(ctx, c, t.project, mode); err != nil {
		return wire.VersionInfo{}, err
	}
	python, err := pythonVersion(t.dir)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	task := a.screen.Task("Packing " + t.dir)
	defer func() { task.Drop() }()
	packed, err := bundle.Pack(t.dir)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	defer packed.Close()
	what := fmt.Sprintf("%s, %s", show.Count(len(packed.Files), "file"), show.Size(packed.Size))
	if n := len(packed.Environment); n > 0 {
		what += ", " + show.Count(n, "environment variable")
	}
	task.Done("Packed " + filepath.Clean(t.dir) + " (" + what + ")")

	task = a.screen.Task("Uploading")
	had, err := upload(ctx, c, packed)
	if err != nil {
		return wire.VersionInfo{}, err
	}
	if had {
		task.Done("The server has this code already")
	} else {
		task.Done("Uploaded")
	}

	task = a.screen.Task("Preparing")
	version, err := c.Deploy(ctx, t.project, wire.DeploymentDefinition{
		Mode: mode, Bundle: packed.Digest, Environment: packed.Environment, PythonVersion: python,
	})
	if err != nil {
		return wire.VersionInfo{}, err
	}
	version, err = c.AwaitDeployment(ctx, t.project, version.VersionID, task.Say)
	if err != nil {
		task.Drop()
		a.showFailure(err)
		return wire.VersionInfo{}, err
	}
	task.Done("Prepared version " + version.VersionID)
	return version, nil
}

// allowed tells early what the server would refuse late.
func allowed(ctx context.Context, c *client.Client, project string, mode wire.DeploymentMode) error {
	if mode == wire.DeployEither {
		return nil
	}
	info, err := c.Project(ctx, project)
	switch {
	case errors.Is(err, wire.ProjectDoesNotExist):
		if mode == wire.DeployUpgrade {
			return err
		}
		return nil
	case err != nil:
		return err
	case info.DeletionRequestTime != nil:
		return wire.ProjectIsBeingDeleted
	case mode == wire.DeployCreate:
		// A project that never had a ready version may be deployed again.
		_, err := c.Version(ctx, project, client.Latest)
		if err == nil {
			return wire.ProjectAlreadyExists
		}
		if !errors.Is(err, wire.VersionDoesNotExist) {
			return err
		}
	}
	return nil
}

func upload(ctx context.Context, c *client.Client, packed *bundle.Bundle) (had bool, err error) {
	if had, err = c.HasBundle(ctx, packed.Digest); had || err != nil {
		return had, err
	}
	_, err = c.PutBundle(ctx, packed.Digest, packed.Size, packed.Open)
	return false, err
}

// showFailure writes what pip or Python said, in full.
func (a *app) showFailure(err error) {
	var failed *client.DeploymentError
	if errors.As(err, &failed) {
		a.screen.Note(strings.TrimSuffix(show.Block(failed.Detail), "\n"))
	}
}

// deployFailure says what to do about a failure that came after the checks.
func deployFailure(ctx context.Context, c *client.Client, err error, mode wire.DeploymentMode, t *target) error {
	command := func(dir string) string {
		switch mode {
		case wire.DeployUpgrade:
			return t.command("upgrade "+dir, ofProject...)
		case wire.DeployEither:
			return t.command("upgrade "+dir, ofProject...) + " --deploy"
		default:
			return t.command("deploy "+dir, ofProject...)
		}
	}
	var failed *client.DeploymentError
	switch {
	case errors.As(err, &failed):
		serves, or := "What was deployed before still serves", ""
		if mode == wire.DeployCreate || noneReady(ctx, c, t.project) {
			serves = "No version of the project serves"
			or = fmt.Sprintf(", or `%s` to remove the project", t.command("undeploy", ofProject...))
		}
		return fmt.Errorf("version %s could not be prepared, for the reason above. %s. Mend it and run `%s` again%s", failed.Version, serves, command(shellWord(t.dir)), or)
	case errors.Is(err, bundle.ErrNoMain):
		return fmt.Errorf("%w. Give the folder that holds it: `%s`", err, command("PROJECT_DIR"))
	case errors.Is(err, errInterrupted):
		return interrupted("the server may go on preparing what was uploaded. Run `%s` to see", t.command("describe", ofProject...))
	}
	return err
}

// noneReady tells whether the project is known to have no version that is ready.
func noneReady(ctx context.Context, c *client.Client, project string) bool {
	_, err := c.Version(ctx, project, client.Latest)
	return errors.Is(err, wire.VersionDoesNotExist) || errors.Is(err, wire.ProjectDoesNotExist)
}

func (a *app) deployed(v wire.VersionInfo, t *target) error {
	if a.json {
		return a.printJSON(v)
	}
	a.screen.Printf("%s  %s\n%s", a.screen.Style.Bold(term.OneLine(v.ProjectName)), v.VersionID, show.Functions(v.Functions, nil, a.screen.Style))
	next := *t
	next.function = "NAME"
	if len(v.Functions) > 0 {
		next.function = v.Functions[0].FunctionName
	}
	// Which arguments it takes is not known here.
	a.screen.Note("Run a function next: " + a.screen.Notes().Cyan(next.command("invoke", "project-name", "function-name")+" --args='[…]'"))
	return nil
}
