package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"multinode/client"
	"multinode/examples"
	"multinode/up"
	"multinode/wire"
)

const (
	demoProject = "demo"
	// sweepTimeout bounds how long the demo waits for its project to be gone.
	sweepTimeout = 30 * time.Second
)

func (a *app) demoCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a server, deploy an example and run it, to see it all work",
		Long: `Starts a server of its own in a temporary folder, deploys an example project, runs
its functions for real and shows what happens. Leaves nothing behind, unless it is
given a folder with --data-dir.`,
		Example: "  multinode demo",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return a.demo(ctx, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "data-dir", "", "folder of the server's data, which is kept (default: a temporary one)")
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) demo(ctx context.Context, dir string) (err error) {
	begun := time.Now()
	keep := dir != ""
	if !keep {
		if dir, err = os.MkdirTemp("", "multinode-demo-"); err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
	}
	results, err := a.demoIn(ctx, dir, keep)
	if err != nil {
		if errors.Is(err, errInterrupted) && !keep {
			return errors.Join(err, os.RemoveAll(dir))
		}
		return fmt.Errorf("%w. The server's log is in %s", err, filepath.Join(dir, demoLog))
	}
	if a.json {
		if err := a.printJSON(results); err != nil {
			return err
		}
	}
	a.farewell(time.Since(begun), dir, keep)
	if !keep {
		return os.RemoveAll(dir)
	}
	return nil
}

// demoLog is the server's log in the data folder.
const demoLog = "demo.log"

// demoIn runs a server on the folder, and everything that is shown on it.
func (a *app) demoIn(ctx context.Context, dir string, keep bool) (results []demoResult, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(dir, demoLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the demo's log: %w", err)
	}
	defer log.Close()

	a.heading("Starting a server")
	task := a.screen.Task("NATS, gateway, dispatcher")
	o := up.DefaultOptions(filepath.Join(dir, "data"))
	o.Logger, o.Environments = slog.New(slog.NewTextHandler(log, nil)), a.environments
	system, err := up.Start(ctx, o)
	task.Drop()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.end(context.WithoutCancel(ctx), system, stopTimeout)) }()
	a.screen.Note(a.screen.Notes().Green("✓") + " NATS, gateway and dispatcher run in this process, at " + system.URL)

	c, err := client.New(client.Options{URL: system.URL, Key: system.Key})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if !keep {
		defer a.sweep(ctx, c)
	}
	return a.show(ctx, c, dir)
}

// show deploys the example and runs its functions.
func (a *app) show(ctx context.Context, c *client.Client, dir string) ([]demoResult, error) {
	source := filepath.Join(dir, "example")
	if err := writeExample(source); err != nil {
		return nil, fmt.Errorf("write the example project: %w", err)
	}
	a.heading("Deploying a folder of Python")
	t := &target{dir: source, project: demoProject}
	if _, err := a.deploy(ctx, c, t, wire.DeployEither); err != nil {
		var failed *client.DeploymentError
		if errors.As(err, &failed) {
			return nil, errors.New("the example could not be prepared, for the reason above")
		}
		return nil, a.explain(err, t)
	}
	marker := filepath.Join(dir, "attempt")
	if err := os.Remove(marker); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier demo
		return nil, err
	}
	var results []demoResult
	for _, step := range demoSteps(marker) {
		result, err := a.showStep(ctx, c, step)
		if err != nil {
			return nil, a.explain(err, t)
		}
		results = append(results, result)
	}
	return results, nil
}

// writeExample puts the embedded project into a folder.
func writeExample(dir string) error {
	project, err := fs.Sub(examples.Demo, "demo")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil { // of an earlier demo
		return err
	}
	return os.CopyFS(dir, project)
}

// sweep undeploys the example, so that no worker outlives the demo.
func (a *app) sweep(ctx context.Context, c *client.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepTimeout)
	defer cancel()
	task := a.screen.Task("Cleaning up")
	defer task.Drop()
	info, err := c.DeleteProject(ctx, demoProject)
	if err == nil {
		err = a.untilGone(ctx, c, info)
	}
	if err != nil && !errors.Is(err, wire.ProjectDoesNotExist) {
		a.screen.Note("The example could not be undeployed: " + err.Error())
	}
}

func (a *app) heading(text string) {
	a.screen.Note("\n" + a.screen.Notes().Bold(text))
}

// farewell says what to do next.
func (a *app) farewell(took time.Duration, dir string, kept bool) {
	server := "multinode up"
	if kept {
		server += " --data-dir=" + shellWord(filepath.Join(dir, "data"))
	}
	notes := a.screen.Notes()
	a.screen.Note(fmt.Sprintf("\n%s It took %.1f s, and all of it was real.\n", notes.Green("✓ That is Multinode."), took.Seconds()))
	a.screen.Note("Next, with functions of your own: a folder with a main.py such as\n")
	a.screen.Note(notes.Dim("  from multinode import Multinode\n\n  mn = Multinode()\n\n  @mn.function()\n  def add(a, b):\n      return a + b\n"))
	a.screen.Note("and then\n")
	for _, line := range []string{
		server + notes.Dim("     # prints the address and the API key; in another terminal:"),
		"multinode login",
		"multinode deploy DIR --project-name=my_project",
		"multinode invoke --project-name=my_project --function-name=add --args='[1, 2]'",
	} {
		a.screen.Note("  " + line)
	}
}
