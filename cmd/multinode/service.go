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

	"multinode/cmd/multinode/internal/config"
	"multinode/embedded"
	"multinode/up"
)

// service is a command that runs until it is told to end.
type service struct {
	start func(ctx context.Context) (*up.System, error)
	// greet says where it is, and what to do next.
	greet func(s *up.System) error
	// stopping says what the end leaves behind.
	stopping string
	// patience is how long the end may take.
	patience time.Duration
}

// stopTimeout bounds how long a service takes to end once it is asked to, beside
// the time to drain.
const stopTimeout = 45 * time.Second

func (a *app) serve(ctx context.Context, s service) error {
	starting, stop := a.interruptible(ctx)
	task := a.screen.Task("Starting")
	system, err := s.start(starting)
	stop()
	task.Drop()
	switch {
	case errors.Is(err, embedded.ErrInUse):
		return fmt.Errorf("%w (--data-dir)", err)
	case errors.Is(err, up.ErrKeyRequired):
		return fmt.Errorf("%w. Set %s to one of your own", err, config.KeyVariable)
	case err != nil:
		return err
	}
	if err := s.greet(system); err != nil {
		return errors.Join(err, a.end(ctx, system, s.patience))
	}
	select {
	case <-system.Done():
		return system.Wait()
	case <-a.interrupts:
		a.screen.Note("Stopping. " + s.stopping + " Ctrl-C again ends it at once.")
		return a.end(ctx, system, s.patience)
	case <-ctx.Done():
		return a.end(context.WithoutCancel(ctx), system, s.patience)
	}
}

// end ends the system within bounds, or at once at an interrupt: nothing that was
// accepted is lost either way.
func (a *app) end(ctx context.Context, system *up.System, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ctx, stop := a.interruptible(ctx)
	defer stop()
	return system.Stop(ctx)
}

// dataFolder is the folder of the service where no other was given.
func (a *app) dataFolder(given, name string) (string, error) {
	if given != "" {
		return given, nil
	}
	if a.home == "" {
		return "", usage("there is no home folder to keep data in. Choose a folder with --data-dir")
	}
	return filepath.Join(a.home, ".multinode", name), nil
}

func (a *app) logger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(a.screen.Lines(), &slog.HandlerOptions{Level: level}))
}

// checked turns what is wrong with the options into a wrong use of the command.
func checked(cmd *cobra.Command, err error) error {
	if errors.Is(err, up.ErrKeyRequired) || errors.Is(err, up.ErrKeyTooShort) {
		return usage("%w. Set %s to one of your own, or listen on 127.0.0.1", err, config.KeyVariable)
	}
	if err != nil {
		return usage("%w. Run `%s --help` for the flags", err, cmd.CommandPath())
	}
	return nil
}

func verboseFlag(cmd *cobra.Command, verbose *bool) {
	cmd.Flags().BoolVarP(verbose, "verbose", "v", false, "log what happens, not only what is wrong")
}

func apiFlags(cmd *cobra.Command, o *up.API, drain time.Duration) {
	cmd.Flags().StringVar(&o.Listen, "listen", defaultListen, "HOST:PORT of the API; port 0 means any, the same at each start")
	cmd.Flags().StringVar(&o.TLSCert, "tls-cert", "", "PEM file of the API's certificate, with its chain; read again when it changes")
	cmd.Flags().StringVar(&o.TLSKey, "tls-key", "", "PEM file of the certificate's key")
	cmd.Flags().IntVar(&o.MaxQueue, "max-queue", 1_000_000, "how many invocations of a function may wait before more are answered 429")
	cmd.Flags().DurationVar(&o.Drain, "drain", drain, "how long to serve on while GET /ready says 503, once it is told to stop")
}

func dispatchFlags(cmd *cobra.Command, o *up.Dispatch, apiDefault, natsDefault string) {
	computeFlags(cmd, o)
	cmd.Flags().StringVar(&o.Python, "python", "", "interpreter that projects run on (default: python3 of the PATH)")
	cmd.Flags().StringVar(&o.APIURL, "api-url", "", "URL at which workers reach the API"+apiDefault)
	cmd.Flags().StringVar(&o.WorkerNATSURL, "worker-nats-url", "", "URL at which workers reach NATS (default: "+natsDefault+")")
	cmd.Flags().DurationVar(&o.Retention, "retention", up.DefaultRetention, "how long finished invocations are kept, with their results and logs; 0 for good")
	cmd.Flags().Var((*size)(&o.RetentionBytes), "retention-size", "what invocations may take, as 10GiB: above it those that finished first go sooner (default: half of what may be stored)")
}

func natsFlags(cmd *cobra.Command, o *up.NATS) {
	cmd.Flags().StringVar(&o.URL, "nats-url", "", "URL of NATS; of several servers, separated by commas")
	cmd.Flags().StringVar(&o.Creds, "nats-creds", "", "credentials `file` of the control plane, as multinode nats-config makes it")
	cmd.Flags().StringVar(&o.CA, "nats-ca", "", "PEM file of the authorities that vouch for NATS (default: those of the machine)")
	cmd.Flags().StringVar(&o.Cert, "nats-cert", "", "PEM file of a client certificate, where NATS asks for one")
	cmd.Flags().StringVar(&o.Key, "nats-key", "", "PEM file of that certificate's key")
	cmd.Flags().IntVar(&o.Replicas, "replicas", 0, "copies of each stream that is made (default: 3 on a cluster, else 1)")
}

// checkPython says early that there is no such interpreter.
func checkPython(python string) error {
	if python == "" {
		return nil
	}
	if _, err := exec.LookPath(python); err != nil {
		return usage("--python is %s, which is not a program that can be run (%w). Give the path of a Python interpreter", shellWord(python), err)
	}
	return nil
}
