package main

import (
	"context"

	"github.com/spf13/cobra"

	"multinode/up"
)

func (a *app) dispatcherCommand() *cobra.Command {
	var o up.DispatcherOptions
	var verbose bool
	cmd := &cobra.Command{
		Use:   "dispatcher",
		Short: "Start a dispatcher by itself, on NATS servers that run elsewhere",
		Long: `Starts a dispatcher by itself: it takes invocations from NATS servers that run
elsewhere, and runs their workers on this machine: as processes, or with
--provisioner=docker in containers, whose images are kept in --repository. Any number may
run; what one of them leaves behind, another takes over.

Told to end (SIGTERM) it gives back what it has and leaves its workers running: another
dispatcher, or the next one on the same data folder, goes on with them. The folder holds
the workers' folders, prepared versions and a read model; each dispatcher needs its own.

Workers get credentials that are signed with the authority's file, and reach NATS at
--worker-nats-url and the API at --api-url. --nats-ca is passed on to them, and so is
SSL_CERT_FILE of the environment, for an API with a certificate of one's own.

` + natsCredsText + ` and ` + authorityText + ` may hold what is in the files of
--nats-creds and --authority, where these are not given.`,
		Example: "  multinode dispatcher --nats-url=nats://10.0.0.1,nats://10.0.0.2,nats://10.0.0.3 \\\n" +
			"    --nats-creds=control-plane.creds --authority=authority.json --api-url=https://multinode.example.com",
		Args: arguments(),
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "folder of workers and prepared versions (default ~/.multinode/dispatcher)")
	natsFlags(cmd, &o.NATS)
	cmd.Flags().StringVar(&o.Authority, "authority", "", "`file` that signs workers' credentials, as multinode nats-config makes it")
	dispatchFlags(cmd, &o.Dispatch, "", "that of --nats-url")
	require(cmd, "nats-url", "nats-creds", "authority", "api-url")
	a.handed(cmd, "dispatcher", map[string]string{"nats-creds": natsCredsText, "authority": authorityText})
	verboseFlag(cmd, &verbose)
	a.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.DataDir, err = a.dataFolder(o.DataDir, "dispatcher"); err != nil {
			return err
		}
		if err := checkPython(o.Python); err != nil {
			return err
		}
		o.Environments, o.Logger = a.environments, a.logger(verbose)
		if err := checked(cmd, o.Check()); err != nil {
			return err
		}
		return a.serve(cmd.Context(), service{
			start:    func(ctx context.Context) (*up.System, error) { return up.StartDispatcher(ctx, o) },
			greet:    a.greetProcess("dispatcher"),
			stopping: "Workers that run go on under the next dispatcher.",
			patience: stopTimeout,
		})
	}
	return cmd
}
