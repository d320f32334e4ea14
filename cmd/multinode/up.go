package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"multinode"
	"multinode/cmd/multinode/internal/config"
	"multinode/cmd/multinode/internal/term"
	"multinode/embedded"
	"multinode/up"
)

// stopTimeout bounds how long the server takes to end once it is asked to.
const stopTimeout = 45 * time.Second

// leaseText is how long workers go on without a server.
var leaseText = fmt.Sprintf("%d s", multinode.WorkerLease/time.Second)

func (a *app) upCommand() *cobra.Command {
	var o up.Options
	var verbose bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start a server: NATS, gateway and dispatcher in one process",
		Long: `Starts a server: NATS, gateway and dispatcher in one process. What it stores
outlives it; workers that run when it stops go on, and are found again by the next
one on the same data folder if it starts within ` + leaseText + `.

Its API key is ` + config.KeyVariable + ` if that is set, else one that is made the
first time and kept in the data folder.`,
		Example: "  multinode up\n  multinode up --data-dir=/srv/multinode --listen=127.0.0.1:9000",
		Args:    arguments(),
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "folder of all that is stored (default ~/.multinode/data)")
	cmd.Flags().StringVar(&o.Listen, "listen", defaultListen, "HOST:PORT of the API; port 0 means any, the same at each start")
	cmd.Flags().StringVar(&o.NATSListen, "nats-listen", "127.0.0.1:0", "HOST:PORT of NATS; port 0 means any, the same at each start")
	cmd.Flags().StringVar(&o.Python, "python", "", "interpreter that projects run on (default: python3 of the PATH)")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "log what happens, not only what is wrong")
	a.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := a.upOptions(&o, verbose); err != nil {
			return err
		}
		return a.up(cmd.Context(), o)
	}
	return cmd
}

// upOptions completes the options by the environment.
func (a *app) upOptions(o *up.Options, verbose bool) error {
	if o.DataDir == "" {
		if a.home == "" {
			return usage("there is no home folder to keep data in. Choose a folder with --data-dir")
		}
		o.DataDir = filepath.Join(a.home, ".multinode", "data")
	}
	if o.Python != "" {
		if _, err := exec.LookPath(o.Python); err != nil {
			return usage("--python is %s, which is not a program that can be run (%w). Give the path of a Python interpreter", shellWord(o.Python), err)
		}
	}
	o.APIKey = a.getenv(config.KeyVariable)
	o.SyncAlways, o.Environments = true, a.environments
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	o.Logger = slog.New(slog.NewTextHandler(a.screen.Lines(), &slog.HandlerOptions{Level: level}))
	err := o.Check()
	if errors.Is(err, up.ErrKeyRequired) {
		return usage("%w. Set %s to one of your own, or listen on 127.0.0.1", err, config.KeyVariable)
	}
	if err != nil {
		return usage("%w. Run `multinode up --help` for the flags", err)
	}
	return nil
}

func (a *app) up(ctx context.Context, o up.Options) error {
	starting, stop := a.interruptible(ctx)
	task := a.screen.Task("Starting")
	system, err := up.Start(starting, o)
	stop()
	task.Drop()
	switch {
	case errors.Is(err, embedded.ErrInUse):
		return fmt.Errorf("%w (--data-dir)", err)
	case err != nil:
		return err
	}
	if err := a.greet(system, o); err != nil {
		return errors.Join(err, stopSystem(ctx, system, a))
	}
	select {
	case <-system.Done():
		return system.Wait()
	case <-a.interrupts:
		a.screen.Note("Stopping. Workers that run go on, and the next `multinode up` on this data folder finds them again if it starts within " + leaseText + ". Ctrl-C again ends it at once.")
		return stopSystem(ctx, system, a)
	case <-ctx.Done():
		return stopSystem(context.WithoutCancel(ctx), system, a)
	}
}

// stopSystem ends the system within bounds, or at once at an interrupt: nothing
// that was accepted is lost either way.
func stopSystem(ctx context.Context, system *up.System, a *app) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	ctx, stop := a.interruptible(ctx)
	defer stop()
	return system.Stop(ctx)
}

// greet says where the server is, and what to do next.
func (a *app) greet(s *up.System, o up.Options) error {
	if a.json {
		return a.printJSON(map[string]string{"url": s.URL, "api_key": s.Key, "nats_url": s.NATSURL, "data_dir": s.DataDir})
	}
	style := a.screen.Style
	key, word := s.Key, s.Key
	if o.APIKey != "" {
		key, word = "the one in "+config.KeyVariable, `"$`+config.KeyVariable+`"`
	}
	a.screen.Printf("%s\n\n%s\n", style.Bold("Multinode is running."), term.Table("  ",
		[]term.Cell{{Text: "API"}, {Text: s.URL, Paint: style.Cyan}},
		[]term.Cell{{Text: "API key"}, {Text: key, Paint: style.Cyan}},
		term.Plain("NATS", s.NATSURL),
		term.Plain("data", s.DataDir),
	))
	a.screen.Note("In another terminal, next:\n\n" + term.Table("  ",
		term.Plain("multinode login --url="+s.URL+" --key="+word),
		term.Plain("multinode deploy DIR --project-name=my_project"),
		term.Plain("multinode invoke --project-name=my_project --function-name=NAME --args='[1, 2]'"),
	) + "\nCtrl-C stops it.")
	return nil
}
