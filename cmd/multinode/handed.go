package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"multinode/internal/atomicfile"
	"multinode/natsconfig"
)

// authorityText may hold the authority's file, as natsCredsText the credentials:
// what keeps secrets for containers hands them over as variables, not as files.
const authorityText = "MULTINODE_AUTHORITY_TEXT"

// handed lets variables stand for the files of these flags: what they hold is kept
// in the data folder, which only its owner can read.
func (a *app) handed(cmd *cobra.Command, folder string, variables map[string]string) {
	before := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		for flag, variable := range variables {
			text := a.getenv(variable)
			if text == "" {
				continue
			}
			if cmd.Flags().Changed(flag) {
				return usage("--%s and %s are both given: choose one", flag, variable)
			}
			dir, err := a.dataFolder(cmd.Flag("data-dir").Value.String(), folder)
			if err != nil {
				return err
			}
			path := filepath.Join(dir, handedFiles[flag])
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return fmt.Errorf("keep what %s holds: %w", variable, err)
			}
			if err := atomicfile.Write(path, []byte(text)); err != nil {
				return fmt.Errorf("keep what %s holds: %w", variable, err)
			}
			// No program that is started from here on needs it.
			if err := os.Unsetenv(variable); err != nil {
				return err
			}
			if err := cmd.Flags().Set(flag, path); err != nil {
				return err
			}
		}
		return before(cmd, args)
	}
}

// handedFiles are their names in the data folder.
var handedFiles = map[string]string{"nats-creds": natsconfig.ControlPlaneFile, "authority": natsconfig.AuthorityFile}
