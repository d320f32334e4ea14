package main

import (
	"errors"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"multinode/embedded"
	"multinode/trust"
)

func (a *app) credentialsCommand() *cobra.Command {
	var name, dir, authority string
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "credentials",
		Short: "Make credentials for a program that calls functions over NATS",
		Long: `Makes NATS credentials for a program that calls functions over NATS instead of the
API, and prints them. Such a program is trusted like the server itself: it may read
and change everything that is stored. Users get an API key instead.

The keys to sign them with are in the server's data folder, so this runs on its
machine, while the server runs or not. They cannot be revoked: let them expire.`,
		Example: "  multinode credentials --name=my-service --expires=720h > my-service.creds\n" +
			"  multinode credentials --name=my-service --authority=nats/authority.json > my-service.creds",
		Args: arguments(),
	}
	cmd.Flags().StringVar(&name, "name", "", "what to call the program")
	cmd.Flags().DurationVar(&expires, "expires", 0, "how long they are good, such as 720h (default: for ever)")
	cmd.Flags().StringVar(&dir, "data-dir", "", "data `folder` of multinode up (default ~/.multinode/data)")
	cmd.Flags().StringVar(&authority, "authority", "", "`file` of the authority's keys that multinode nats-config wrote, instead of a data folder")
	a.jsonFlag(cmd)
	require(cmd, "name")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if expires < 0 {
			return usage("--expires must be a time to come, such as 720h")
		}
		if authority == "" {
			dir, err := a.dataFolder(dir, "data")
			if err != nil {
				return err
			}
			authority = embedded.AuthorityFile(dir)
		}
		keys, err := trust.Load(authority)
		if errors.Is(err, fs.ErrNotExist) {
			return usage("there are no keys at %s. Name the data folder of `multinode up` with --data-dir, or the file of `multinode nats-config` with --authority", authority)
		}
		if err != nil {
			return err
		}
		var until time.Time
		if expires > 0 {
			until = time.Now().Add(expires)
		}
		content, err := keys.ClientCredentials(name, until)
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(map[string]string{"name": name, "credentials": string(content)})
		}
		a.screen.Printf("%s", content)
		return nil
	}
	return cmd
}
