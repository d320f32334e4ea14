package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"multinode/images/builder"
)

// buildImageCommand makes the image of a version, in a container of its base. The
// server starts it; people do not.
func (a *app) buildImageCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "build-image",
		Short:  "Make the image of one version (started by the server)",
		Hidden: true,
		Args:   arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := a.interruptible(cmd.Context())
			defer stop()
			return builder.Program(ctx, a.getenv, slog.New(slog.NewTextHandler(a.err, nil)))
		},
	}
}
