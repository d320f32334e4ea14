package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"multinode/cmd/multinode/internal/term"
	"multinode/natsconfig"
)

func (a *app) natsConfigCommand() *cobra.Command {
	var o natsconfig.Options
	var out string
	store := size(10 << 30)
	var servers []string
	cmd := &cobra.Command{
		Use:   "nats-config",
		Short: "Write configuration and credentials for NATS servers of your own",
		Long: `Writes what stock nats-servers (2.12 or newer) need to hold Multinode's data, for
gateways and dispatchers that run by themselves. The folder gets

  nats-1.conf …         a configuration for each server: nats-server -c nats-1.conf
  control-plane.creds   for gateways and dispatchers: --nats-creds
  authority.json        for dispatchers: --authority
  system.creds          for the ` + "`nats`" + ` tool, to look after the servers

All of it is secret. Run again on the same folder it keeps the keys and credentials and
writes the configuration anew: keep the folder, and back it up.`,
		Example: "  multinode nats-config --out=nats --server=10.0.0.5\n" +
			"  multinode nats-config --out=nats --server=10.0.0.1 --server=10.0.0.2 --server=10.0.0.3 --max-store=200GiB",
		Args: arguments(),
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write to, made where it is missing")
	cmd.Flags().StringArrayVar(&servers, "server", nil, "HOST[:PORT[:CLUSTER_PORT]] of a server (default ports 4222 and 6222); once, or 3 or 5 times for a cluster")
	cmd.Flags().StringVar(&o.StoreDir, "store-dir", "/var/lib/nats", "folder on each server for its data")
	cmd.Flags().Var(&store, "max-store", "what each server may store; leave a tenth of its disk free")
	cmd.Flags().IntVar(&o.MonitorPort, "monitor-port", 8222, "port on each server's loopback interface that tells its state; 0 means none")
	cmd.Flags().StringVar(&o.TLSCert, "tls-cert", "", "path on each server of its certificate (PEM)")
	cmd.Flags().StringVar(&o.TLSKey, "tls-key", "", "path on each server of its certificate's key (PEM)")
	cmd.Flags().StringVar(&o.TLSCA, "tls-ca", "", "path on each server of the authorities that vouch for the others (PEM)")
	a.jsonFlag(cmd)
	require(cmd, "out")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(servers) == 0 {
			return usage("--server is missing. Run `%s --help` for an example", cmd.CommandPath())
		}
		for _, text := range servers {
			server, err := natsconfig.ParseServer(text)
			if err != nil {
				return usage("%w (--server)", err)
			}
			o.Servers = append(o.Servers, server)
		}
		o.MaxStore = int64(store)
		if err := o.Check(); err != nil {
			return usage("%w. Run `%s --help` for the flags", err, cmd.CommandPath())
		}
		written, err := natsconfig.Write(out, o)
		if err != nil {
			return err
		}
		return a.showNATSConfig(written)
	}
	return cmd
}

func (a *app) showNATSConfig(w natsconfig.Written) error {
	if a.json {
		return a.printJSON(map[string]any{
			"configs": w.Configs, "control_plane": w.ControlPlane, "authority": w.Authority, "system": w.System, "nats_url": w.URL,
		})
	}
	for _, path := range w.Configs {
		a.screen.Printf("%s\n", path)
	}
	a.screen.Note(fmt.Sprintf("Copy each file to its server (%s) and start it there with `nats-server -c FILE`. Then:\n\n", strings.TrimPrefix(w.URL, "nats://")) +
		term.Table("  ",
			term.Plain("multinode gateway --nats-url="+w.URL+" --nats-creds="+w.ControlPlane),
			term.Plain("multinode dispatcher --nats-url="+w.URL+" --nats-creds="+w.ControlPlane+" --authority="+w.Authority+" --api-url=URL"),
		))
	return nil
}
