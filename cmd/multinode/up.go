package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"multinode"
	"multinode/cmd/multinode/internal/config"
	"multinode/cmd/multinode/internal/term"
	"multinode/up"
)

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
first time and kept in the data folder. Where others can reach it, it has to be set,
to at least 16 characters.

With TLS, workers have to trust the certificates too: SSL_CERT_FILE is passed on to
them for the API's, and --nats-ca names the authority of NATS's. The certificates
have to be good for the addresses that workers use: 127.0.0.1, or what --api-url and
--worker-nats-url say.

With --provisioner=docker each invocation runs in a container of its own, on this
machine's Docker engine. Containers reach the server as host.docker.internal, which
its certificates have to be good for; --api-ca and --nats-ca name their authorities.`,
		Example: "  multinode up\n  multinode up --data-dir=/srv/multinode --listen=127.0.0.1:9000\n  multinode up --provisioner=docker",
		Args:    arguments(),
	}
	cmd.Flags().StringVar(&o.DataDir, "data-dir", "", "folder of all that is stored (default ~/.multinode/data)")
	apiFlags(cmd, &o.API, 0)
	dispatchFlags(cmd, &o.Dispatch, " (default: where it listens)", "where it listens")
	cmd.Flags().StringVar(&o.NATSListen, "nats-listen", "127.0.0.1:0", "HOST:PORT of NATS; port 0 means any, the same at each start")
	cmd.Flags().StringVar(&o.NATSTLSCert, "nats-tls-cert", "", "PEM file of the certificate of NATS")
	cmd.Flags().StringVar(&o.NATSTLSKey, "nats-tls-key", "", "PEM file of that certificate's key")
	cmd.Flags().StringVar(&o.NATSCA, "nats-ca", "", "PEM file of the authorities by which workers know NATS (default: those of the machine)")
	verboseFlag(cmd, &verbose)
	a.jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.DataDir, err = a.dataFolder(o.DataDir, "data"); err != nil {
			return err
		}
		if err := checkPython(o.Python); err != nil {
			return err
		}
		o.APIKey = a.getenv(config.KeyVariable)
		o.SyncAlways, o.Environments, o.Logger = true, a.environments, a.logger(verbose)
		if err := checked(cmd, o.Check()); err != nil {
			return err
		}
		return a.serve(cmd.Context(), service{
			start:    func(ctx context.Context) (*up.System, error) { return up.Start(ctx, o) },
			greet:    func(s *up.System) error { return a.greet(s, o) },
			stopping: "Workers that run go on, and the next `multinode up` on this data folder finds them again if it starts within " + leaseText + ".",
			patience: stopTimeout + o.Drain,
		})
	}
	return cmd
}

// greet says where the server is, and what to do next.
func (a *app) greet(s *up.System, o up.Options) error {
	if o.Clear() {
		a.screen.Note(a.screen.Notes().Yellow("The API is served on " + o.Listen + " without TLS: keys and data can be read on the way (--tls-cert)."))
	}
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
