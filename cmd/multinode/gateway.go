package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"multinode/cmd/multinode/internal/config"
	"multinode/cmd/multinode/internal/term"
	"multinode/up"
)

// gatewayDrain is long enough for load balancers that look every second or two.
const gatewayDrain = 5 * time.Second

func (a *app) gatewayCommand() *cobra.Command {
	var o up.GatewayOptions
	var verbose bool
	cmd := &cobra.Command{
		Use:   "gateway",
		Short: "Start a gateway by itself, on NATS servers that run elsewhere",
		Long: `Starts a gateway by itself: it serves the REST API from NATS servers that run
elsewhere. Any number of them may run behind a load balancer; none holds anything that
the others need. The data folder holds a read model only, and each needs its own.

` + config.KeyVariable + ` is stored as the system's API key, and replaces the one
that was given before: set the same for all gateways, or set none once keys are
stored (` + "`multinode keys create`" + `). ` + natsCredsText + ` may hold the
credentials themselves, where --nats-creds is not given.

GET / answers as soon as it serves. GET /ready answers 200 while it wants requests,
and 503 when it has lost NATS or is about to stop: after SIGTERM it serves on for the
time of --drain, then finishes the requests that it has, then ends.`,
		Example: "  multinode gateway --nats-url=nats://10.0.0.1,nats://10.0.0.2,nats://10.0.0.3 \\\n" +
			"    --nats-creds=control-plane.creds --listen=0.0.0.0:8470 --tls-cert=cert.pem --tls-key=key.pem",
		Args: arguments(),
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "folder of the read model (default ~/.multinode/gateway)")
	natsFlags(cmd, &o.NATS)
	apiFlags(cmd, &o.API, gatewayDrain)
	require(cmd, "nats-url", "nats-creds")
	a.handed(cmd, "gateway", map[string]string{"nats-creds": natsCredsText})
	verboseFlag(cmd, &verbose)
	a.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.DataDir, err = a.dataFolder(o.DataDir, "gateway"); err != nil {
			return err
		}
		o.APIKey, o.Logger = a.getenv(config.KeyVariable), a.logger(verbose)
		if err := checked(cmd, o.Check()); err != nil {
			return err
		}
		return a.serve(cmd.Context(), service{
			start:    func(ctx context.Context) (*up.System, error) { return up.StartGateway(ctx, o) },
			greet:    a.greetProcess("gateway"),
			stopping: "Requests are finished first.",
			patience: stopTimeout + o.Drain,
		})
	}
	return cmd
}

// greetProcess says where a process of a separated system is.
func (a *app) greetProcess(name string) func(*up.System) error {
	return func(s *up.System) error {
		if a.json {
			facts := map[string]string{"nats_url": s.NATSURL, "data_dir": s.DataDir}
			if s.URL != "" {
				facts["url"] = s.URL
			}
			return a.printJSON(facts)
		}
		rows := [][]term.Cell{term.Plain("NATS", s.NATSURL), term.Plain("data", s.DataDir)}
		if s.URL != "" {
			rows = append([][]term.Cell{term.Plain("API", s.URL)}, rows...)
		}
		a.screen.Printf("%s\n\n%s\n", a.screen.Style.Bold("The "+name+" is running."), term.Table("  ", rows...))
		return nil
	}
}
