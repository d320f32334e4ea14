package main

import (
	"github.com/spf13/cobra"

	"multinode/cmd/multinode/internal/config"
)

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the server and its API key",
		Args:  arguments(),
		RunE: func(*cobra.Command, []string) error {
			f, err := a.file()
			if err != nil {
				return err
			}
			stored, err := f.Load()
			if err != nil {
				return err
			}
			if stored == (config.Login{}) {
				a.screen.Note("You were not logged in.")
			} else if err := f.Save(config.Login{}); err != nil {
				return err
			} else {
				a.screen.Note(a.screen.Notes().Green("✓") + " Logged out.")
			}
			for _, name := range []string{config.URLVariable, config.KeyVariable} {
				if a.getenv(name) != "" {
					a.screen.Note(name + " is still set, and will be used.")
				}
			}
			return nil
		},
	}
}
